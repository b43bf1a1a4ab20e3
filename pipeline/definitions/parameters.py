"""The `kubeflow` section of params.yaml, and the names by which pods find what a cluster has for them."""

from dataclasses import field
from decimal import Decimal
from typing import Literal

from fabgan.components.core.parameters import NonNegativeInt, PositiveFloat, parameters

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
