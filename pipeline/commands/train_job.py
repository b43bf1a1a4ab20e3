"""Train across several nodes: a TrainJob of Kubeflow Trainer 2.2 or newer that runs `fabgan train` with torchrun.

Kubeflow Trainer includes the runtime `torch-distributed`. It sets PET_ variables in each pod: the number of pods, the
pod's own number, and the address at which the pods meet. torchrun reads them, so the command needs no such options.
"""

from pathlib import Path
from typing import Any

from fabgan.components.core.errors import UserError
from fabgan.components.steps import STEPS, load_parameters
from fabgan.components.train.parameters import check_processes

from ..definitions.parameters import (
    AUTHORITIES,
    AUTHORITY_FOLDER,
    AUTHORITY_MAP,
    ENDPOINTS,
    MLFLOW_KEYS,
    SHARED,
    USER,
    KubeflowParameters,
    Resources,
    Toleration,
)
from .settings import chosen_size, kubeflow_settings

RUNTIME = "torch-distributed"
NODE = "node"
"""Name of the runtime's job and of its container."""
FOLDER = "/shared"
"""Mount path of the claim."""
TEMPORARY = "/tmp"  # noqa: S108
MANAGER = "fabgan"
LABELS = {"app.kubernetes.io/name": "fabgan-train-job"}
"""Labels by which the network policies of `deploy/` select the pods."""


def train_job(
    params: Path, image: str, *, name: str, namespace: str, claim: str, size: str, nodes: int, gpus: int
) -> dict[str, Any]:
    """Return the manifest of a training across nodes, with the resources, secrets and addresses of a params.yaml.

    The claim needs ReadWriteMany, because all nodes read the packages and the checkpoints. Its folder holds that
    params.yaml and `packages`. Training writes `checkpoints`, `generator`, `report` and `metrics.json` into it.
    `size`, a key of `kubeflow.sizes`, names the resources of each node. Empty means that of `kubeflow.size`.

    Each node runs one process per GPU, or one process if `gpus` is 0. The number of all processes must divide
    `train.batch_size`. The pods comply with the Pod Security Standard `restricted`.

    Raises UserError for a wrong key, an unknown size, `nodes` below 1 or `gpus` below 0, and if the processes cannot
    train together.
    """
    if nodes < 1 or gpus < 0:
        raise UserError(f"--nodes {nodes} --gpus {gpus}: expected at least one node, and 0 or more GPUs per node")
    settings = kubeflow_settings(params)
    check_processes(load_parameters(params)["train"], nodes * max(gpus, 1))
    resources = settings.sizes[chosen_size(settings, size, params)]
    pod = {"metadata": {"labels": LABELS}, "spec": _pod(settings, claim, gpus)}
    job = {"name": NODE, "template": {"spec": {"template": pod}}}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "runtimeRef": {"name": RUNTIME},
            "trainer": _trainer(settings, resources, image, nodes, gpus),
            "runtimePatches": [
                {"manager": MANAGER, "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": [job]}}}}
            ],
        },
    }


def _trainer(settings: KubeflowParameters, size: Resources, image: str, nodes: int, gpus: int) -> dict[str, Any]:
    """Return the `trainer` of the TrainJob: image, command, environment and resources of each node."""
    devices = {settings.gpu_resource: str(gpus)} if gpus else {}
    requests = {"cpu": size.cpu, "memory": size.memory} | devices
    limits = {"cpu": size.cpu_limit, "memory": size.memory_limit} | devices
    paths = [f"--{path}={FOLDER}/{path}" for path in STEPS["train"].paths]
    files = [f"--params={FOLDER}/params.yaml", f"--metrics={FOLDER}/metrics.json"]
    return {
        "image": image,
        "command": ["torchrun", "-m", "fabgan", "train", *files, *paths],
        "env": [
            *(_from("secretKeyRef", settings.mlflow_secret, key) for key in MLFLOW_KEYS),
            *(_from("configMapKeyRef", settings.endpoints, key) for key in ENDPOINTS),
            *(_from("configMapKeyRef", settings.endpoints, key, optional=True) for key in AUTHORITIES),
        ],
        "numNodes": nodes,
        "numProcPerNode": max(gpus, 1),
        "resourcesPerNode": {"requests": requests, "limits": limits},
    }


def _from(kind: str, name: str, key: str, **more: bool) -> dict[str, Any]:
    return {"name": key, "valueFrom": {kind: {"name": name, "key": key, **more}}}


def _pod(settings: KubeflowParameters, claim: str, gpus: int) -> dict[str, Any]:
    """Return the patch of the runtime's pod: volumes, security context, pull secret, and the nodes with GPUs."""
    memory = {"medium": "Memory", "sizeLimit": settings.shared_memory}
    volumes: list[tuple[str, str, dict[str, Any]]] = [
        ("shared", FOLDER, {"persistentVolumeClaim": {"claimName": claim}}),
        ("shared-memory", SHARED, {"emptyDir": memory}),
        ("temporary", TEMPORARY, {"emptyDir": {}}),
        ("authority", AUTHORITY_FOLDER, {"configMap": {"name": AUTHORITY_MAP, "optional": True}}),
    ]
    pod = {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": settings.image_pull_secret}],
        "volumes": [{"name": volume, **source} for volume, _, source in volumes],
        "containers": [
            {
                "name": NODE,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": volume, "mountPath": path} for volume, path, _ in volumes],
            }
        ],
    }
    return pod | (_gpu_nodes(settings) if gpus else {})


def _gpu_nodes(settings: KubeflowParameters) -> dict[str, Any]:
    return {
        "nodeSelector": settings.gpu_node_selector,
        "tolerations": [_toleration(one) for one in settings.gpu_tolerations],
    }


def _toleration(one: Toleration) -> dict[str, str]:
    """Return a toleration as Kubernetes expects it: the operator Exists allows no value."""
    value = {"value": one.value} if one.value else {}
    return {"key": one.key, "operator": one.operator, **value, "effect": one.effect}
