"""How tasks are placed in a Kubernetes cluster: secrets, endpoints, resources, GPUs, time limits."""

from collections.abc import Mapping
from dataclasses import asdict, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from kfp import kubernetes

from fabgan.components.core.parameters import NonNegativeInt, PositiveFloat, parameters
from fabgan.components.core.provenance import code_of
from fabgan.components.steps import STEPS

S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
MLFLOW_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
ENDPOINTS = (
    "AWS_ENDPOINT_URL_S3",
    "AWS_DEFAULT_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "MLFLOW_TRACKING_URI",
)
AUTHORITIES = ("AWS_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH")
"""Files of authorities for the object store and for MLflow; needed only if the fab's own authority signed for them."""
AUTHORITY_MAP = "fabgan-ca"
"""ConfigMap with the certificate of the fab's own authority, ca.crt; it may be missing."""
AUTHORITY_FOLDER = "/etc/fabgan-ca"
USER = 10001
PLACED_STEPS = ("settings", "ingest", "crop_resize", "train", "evaluate", "publish", "augment", "finish")
"""Keys of `kubeflow.steps`: planning, every step, making images, and the finish task."""
PLANNING_STEPS = ("settings", "finish")
RESOURCES = ("cpu", "memory", "cpu_limit", "memory_limit")
"""Outputs of the task that plans a run: what the pods after it request, and their limits.

Kubeflow's driver puts an output or field into a pod's resources only if it is text (backend/src/v2/driver/util.go,
resolvePodSpecInputRuntimeParameter). Of a number it makes nothing: a field of type integer would give no GPU.
"""
CHECKPOINTS = "/checkpoints"
SHARED = "/dev/shm"  # noqa: S108
RUN_ID = "metadata.labels['pipeline/runid']"
"""The label of a pod that holds the identifier of its run."""


def quantity(text: str) -> Decimal:
    """Return the number that a quantity of Kubernetes stands for: cores, or bytes. Raises ValueError for other text."""
    from kubernetes.utils.quantity import parse_quantity

    try:
        return Decimal(parse_quantity(text))
    except ValueError as error:
        raise ValueError(f"expected a quantity such as 500m or 2Gi, got {text!r}") from error


@parameters
class Toleration:
    """A taint of nodes that the pods with GPUs tolerate."""

    key: str
    operator: Literal["Equal", "Exists"]
    value: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


@parameters
class Resources:
    """What a pod requests, by which Kubernetes finds it a node, and its limits, as quantities of Kubernetes."""

    cpu: str
    memory: str
    cpu_limit: str
    memory_limit: str

    def __post_init__(self) -> None:
        """Refuse what is no quantity, and a request above its limit."""
        for name in ("cpu", "memory"):
            request, limit = getattr(self, name), getattr(self, f"{name}_limit")
            if quantity(request) > quantity(limit):
                raise ValueError(f"{name}: {request} is more than {name}_limit, {limit}")


@parameters
class StepPlace:
    """How long the pod of a step may run, and how often it is started again."""

    hours: PositiveFloat
    retries: NonNegativeInt
    """How often an evicted or deleted pod is started again, with growing pauses. Killed processes are not counted."""


PLANNING = Resources(cpu="100m", memory="512Mi", cpu_limit="1", memory_limit="2Gi")
"""Resources of `settings`, before which no size is known, and of `finish`, which works for a second."""
SIZES = {
    "demo": Resources(cpu="500m", memory="2Gi", cpu_limit="2", memory_limit="3Gi"),
    "small": Resources(cpu="2", memory="6Gi", cpu_limit="4", memory_limit="12Gi"),
    "large": Resources(cpu="8", memory="32Gi", cpu_limit="8", memory_limit="32Gi"),
}


@parameters
class KubeflowParameters:
    """The `kubeflow` section of params.yaml."""

    image_pull_secret: str
    s3_secret: str
    mlflow_secret: str
    endpoints: str
    """ConfigMap with the addresses of the object store and of MLflow."""
    checkpoint_claim: str
    """PersistentVolumeClaim for checkpoints of `train`, from which a new pod resumes; empty for none."""
    gpu_resource: str
    gpu_node_selector: dict[str, str]
    """Labels of the nodes for pods that train a generator: in a pipeline also without GPUs, in a TrainJob only with."""
    gpu_tolerations: list[Toleration]
    shared_memory: str
    """Size of /dev/shm of the training pod."""
    steps: dict[str, StepPlace]
    size: str = "demo"
    """The size that the form shows at first: a key of `sizes`."""
    sizes: dict[str, Resources] = field(default_factory=lambda: dict(SIZES))
    """Resources of every pod but those of `settings` and `finish`, by the size that the form names."""

    def __post_init__(self) -> None:
        """Refuse an unknown size, unknown steps, and missing steps."""
        if self.size not in self.sizes:
            raise ValueError(f"size: expected one of {', '.join(self.sizes)}, got {self.size!r}")
        missing, unknown = sorted(set(PLACED_STEPS) - self.steps.keys()), sorted(self.steps.keys() - set(PLACED_STEPS))
        if missing or unknown:
            words = f"missing {', '.join(missing) or 'none'}, unknown {', '.join(unknown) or 'none'}"
            raise ValueError(f"steps: expected {', '.join(PLACED_STEPS)} ({words})")


class Placement(Protocol):
    """Prepares a task for the place where it runs."""

    def __call__(self, task: Any, step: str, chosen: Mapping[str, Any], gpus: bool) -> Any:
        """Prepare the task of a step and return it.

        `chosen` has the outputs of the task that plans the run, its resources among them: RESOURCES and `gpus`, as
        text. `gpus` tells whether the task may have GPUs.
        """


class Cluster:
    """Prepares tasks for a Kubernetes cluster."""

    def __init__(self, settings: KubeflowParameters) -> None:
        self.settings = settings

    def __call__(self, task: Any, step: str, chosen: Mapping[str, Any], gpus: bool) -> Any:
        """Set the secrets, endpoints, resources and limits of a task, and return it."""
        settings, place = self.settings, self.settings.steps[step]
        if step in PLANNING_STEPS:
            resources: Mapping[str, Any] = asdict(PLANNING)
        else:
            resources = chosen
            # kfp's compiler hands an output into a loop only if it is an input of a task there.
            task.channel_inputs.extend(chosen[name] for name in (*RESOURCES, *(["gpus"] if gpus else [])))
        task.set_cpu_request(resources["cpu"]).set_cpu_limit(resources["cpu_limit"])
        task.set_memory_request(resources["memory"]).set_memory_limit(resources["memory_limit"])
        if place.retries:
            task.set_retry(place.retries, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")
        kubernetes.set_timeout(task, round(place.hours * 3600))
        kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
        kubernetes.set_image_pull_secrets(task, [settings.image_pull_secret])
        kubernetes.use_secret_as_env(task, settings.s3_secret, {key: key for key in S3_KEYS})
        kubernetes.use_secret_as_env(task, settings.mlflow_secret, {key: key for key in MLFLOW_KEYS})
        kubernetes.use_config_map_as_env(task, settings.endpoints, {key: key for key in ENDPOINTS})
        kubernetes.use_config_map_as_env(task, settings.endpoints, {key: key for key in AUTHORITIES}, optional=True)
        kubernetes.use_config_map_as_volume(task, AUTHORITY_MAP, AUTHORITY_FOLDER, optional=True)
        kubernetes.use_field_path_as_env(task, "FABGAN_RUN", RUN_ID)
        if gpus:  # a training of a generator
            self._give_gpus(task, chosen["gpus"])
            self._keep_checkpoints(task)
        return task

    def _give_gpus(self, task: Any, gpus: Any) -> None:
        """Give a task as many GPUs as the form says when it runs, which may be none: its place is the same then."""
        settings = self.settings
        task.set_accelerator_type(settings.gpu_resource).set_accelerator_limit(gpus)
        kubernetes.empty_dir_mount(task, "shared-memory", SHARED, medium="Memory", size_limit=settings.shared_memory)
        for key, value in settings.gpu_node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        for toleration in settings.gpu_tolerations:
            kubernetes.add_toleration(
                task, key=toleration.key, operator=toleration.operator, value=toleration.value, effect=toleration.effect
            )

    def _keep_checkpoints(self, task: Any) -> None:
        """Mount the claim, if there is one, where the task looks for its checkpoints."""
        if self.settings.checkpoint_claim:
            kubernetes.mount_pvc(task, self.settings.checkpoint_claim, CHECKPOINTS)
            task.set_env_variable("FABGAN_CHECKPOINTS", CHECKPOINTS)


def place_locally(task: Any, step: str, chosen: Mapping[str, Any], gpus: bool) -> Any:
    """Prepare a task for this machine and return it.

    The code digest of its step is part of the cache key, so a step whose code has changed runs again.
    """
    if step in STEPS:
        task.set_env_variable("FABGAN_CODE", code_of(step))
    return task
