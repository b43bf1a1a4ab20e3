"""How tasks are placed in a Kubernetes cluster: secrets, endpoints, resources, GPUs, time limits."""

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
AUTHORITY = "AWS_CA_BUNDLE"
"""Needed only if the fab's own authority signed the object store's certificate."""
USER = 10001
PLACED_STEPS = ("settings", "ingest", "crop_resize", "train", "evaluate", "publish", "augment", "finish")
"""Keys of `kubeflow.steps`: planning, every step, making images, and the finish task."""
CHECKPOINTS = "/checkpoints"
SHARED = "/dev/shm"  # noqa: S108
RUN_ID = "metadata.labels['pipeline/runid']"
"""The label of a pod that holds the identifier of its run."""


@parameters
class Toleration:
    """A taint of nodes that the pods with GPUs tolerate."""

    key: str
    operator: Literal["Equal", "Exists"]
    value: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


@parameters
class StepResources:
    """The resources of a step's pod, and its time limit."""

    cpu: str
    memory: str
    hours: PositiveFloat
    retries: NonNegativeInt
    """How often an evicted or deleted pod is started again, with growing pauses."""


@parameters
class KubeflowParameters:
    """The `kubeflow` section of params.yaml."""

    image_pull_secret: str
    s3_secret: str
    mlflow_secret: str
    endpoints: str
    """ConfigMap with the addresses of the object store and of MLflow."""
    checkpoint_claim: str
    """PersistentVolumeClaim for checkpoints, from which an evicted training resumes; empty for none."""
    gpu_resource: str
    gpu_node_selector: dict[str, str]
    gpu_tolerations: list[Toleration]
    shared_memory: str
    """Size of /dev/shm of the training pod."""
    steps: dict[str, StepResources]

    def __post_init__(self) -> None:
        """Refuse unknown steps, and steps without resources."""
        missing, unknown = sorted(set(PLACED_STEPS) - self.steps.keys()), sorted(self.steps.keys() - set(PLACED_STEPS))
        if missing or unknown:
            words = f"missing {', '.join(missing) or 'none'}, unknown {', '.join(unknown) or 'none'}"
            raise ValueError(f"steps: expected {', '.join(PLACED_STEPS)} ({words})")


class Placement(Protocol):
    """Prepares a task for the place where it runs."""

    def __call__(self, task: Any, step: str, gpus: Any = None) -> Any:
        """Prepare the task of a step and return it; `gpus` is its number of GPUs, None for a task that has none."""


class Cluster:
    """Prepares tasks for a Kubernetes cluster."""

    def __init__(self, settings: KubeflowParameters) -> None:
        self.settings = settings

    def __call__(self, task: Any, step: str, gpus: Any = None) -> Any:
        """Set the secrets, endpoints, resources and limits of a task, and return it."""
        settings, resources = self.settings, self.settings.steps[step]
        task.set_cpu_request(resources.cpu).set_cpu_limit(resources.cpu)
        task.set_memory_request(resources.memory).set_memory_limit(resources.memory)
        if resources.retries:
            task.set_retry(resources.retries, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")
        kubernetes.set_timeout(task, round(resources.hours * 3600))
        kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
        kubernetes.set_image_pull_secrets(task, [settings.image_pull_secret])
        kubernetes.use_secret_as_env(task, settings.s3_secret, {key: key for key in S3_KEYS})
        kubernetes.use_secret_as_env(task, settings.mlflow_secret, {key: key for key in MLFLOW_KEYS})
        kubernetes.use_config_map_as_env(task, settings.endpoints, {key: key for key in ENDPOINTS})
        kubernetes.use_config_map_as_env(task, settings.endpoints, {AUTHORITY: AUTHORITY}, optional=True)
        kubernetes.use_field_path_as_env(task, "FABGAN_RUN", RUN_ID)
        if gpus is not None:
            self._give_gpus(task, gpus)
        return task

    def _give_gpus(self, task: Any, gpus: Any) -> None:
        settings = self.settings
        task.set_accelerator_type(settings.gpu_resource).set_accelerator_limit(gpus)
        kubernetes.empty_dir_mount(task, "shared-memory", SHARED, medium="Memory", size_limit=settings.shared_memory)
        for key, value in settings.gpu_node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        for toleration in settings.gpu_tolerations:
            kubernetes.add_toleration(
                task, key=toleration.key, operator=toleration.operator, value=toleration.value, effect=toleration.effect
            )
        if settings.checkpoint_claim:
            kubernetes.mount_pvc(task, settings.checkpoint_claim, CHECKPOINTS)
            task.set_env_variable("FABGAN_CHECKPOINTS", CHECKPOINTS)


def place_locally(task: Any, step: str, gpus: Any = None) -> Any:
    """Prepare a task for this machine and return it.

    The code digest of its step is part of the cache key, so a step whose code has changed runs again.
    """
    if step in STEPS:
        task.set_env_variable("FABGAN_CODE", code_of(step))
    return task
