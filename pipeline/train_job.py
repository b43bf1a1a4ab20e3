"""Training across several nodes: the TrainJob of Kubeflow Trainer 2.2 and newer that runs `fabgan train` by torchrun.

The runtime `torch-distributed`, which comes with Kubeflow Trainer, tells torchrun in each pod by PET_ variables how
many pods there are, which one it is, and where they meet: the command needs no such options.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.parameters import load_yaml, parse
from components.steps import STEPS
from pipeline.cluster import ENDPOINTS, MLFLOW_KEYS, KubeflowParameters

RUNTIME = "torch-distributed"
NODE = "node"
"""Name of that runtime's job and of its container."""
VOLUME = "shared"
FOLDER = "/shared"
MANAGER = "fabgan"


@dataclass(frozen=True)
class TrainJob:
    """A training across nodes that share a folder."""

    name: str
    """Also a DNS label: small letters, digits and dashes, 63 at most."""
    namespace: str
    image: str
    arguments: Sequence[str]
    """Of `fabgan train`. Packages, checkpoints and results lie in the shared folder."""
    nodes: int
    processes_per_node: int
    """As many as a node gives GPUs; `train.batch_size` must be divisible by all processes."""
    resources: Mapping[str, str]
    """Requests and limits of a node, such as {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}."""
    environment: Sequence[Mapping[str, Any]]
    """Environment variables as Kubernetes writes them: name and value, or valueFrom."""
    claim: str
    """Persistent volume claim with ReadWriteMany: all nodes read the packages and the checkpoints."""
    folder: str
    """Where the claim is mounted."""

    def manifest(self) -> dict[str, Any]:
        """Return the resource, to be applied or created as it is."""
        return {
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {
                "runtimeRef": {"name": RUNTIME},
                "trainer": self._trainer(),
                "runtimePatches": [{"manager": MANAGER, "trainingRuntimeSpec": self._mount()}],
            },
        }

    def _trainer(self) -> dict[str, Any]:
        resources = dict(self.resources)
        return {
            "image": self.image,
            "command": ["torchrun", "-m", "fabgan", "train", *self.arguments],
            "env": [dict(variable) for variable in self.environment],
            "numNodes": self.nodes,
            "numProcPerNode": self.processes_per_node,
            "resourcesPerNode": {"requests": resources, "limits": dict(resources)},
        }

    def _mount(self) -> dict[str, Any]:
        """Return the patch of the runtime that mounts the claim."""
        pod = {
            "volumes": [{"name": VOLUME, "persistentVolumeClaim": {"claimName": self.claim}}],
            "containers": [{"name": NODE, "volumeMounts": [{"name": VOLUME, "mountPath": self.folder}]}],
        }
        job = {"name": NODE, "template": {"spec": {"template": {"spec": pod}}}}
        return {"template": {"spec": {"replicatedJobs": [job]}}}


def train_job(params: Path, image: str, *, name: str, namespace: str, claim: str, nodes: int, gpus: int) -> TrainJob:
    """Return a training across nodes with the resources, secrets and addresses of a params.yaml.

    The claim's folder holds that params.yaml and `packages`, and gets `checkpoints`, `generator`, `report` and
    `metrics.json`. Without GPUs, a node trains with one process. Raises UserError for a wrong key, or no node.
    """
    if nodes < 1 or gpus < 0:
        raise UserError(f"--nodes {nodes} --gpus {gpus}: a training needs at least one node, and no GPUs or some")
    settings = parse(KubeflowParameters, load_yaml(params).get("kubeflow", {}), str(params), "kubeflow")
    step = settings.steps["train"]
    paths = [f"--{path}={FOLDER}/{path}" for path in STEPS["train"].paths]
    return TrainJob(
        name=name,
        namespace=namespace,
        image=image,
        arguments=[f"--params={FOLDER}/params.yaml", f"--metrics={FOLDER}/metrics.json", *paths],
        nodes=nodes,
        processes_per_node=max(gpus, 1),
        resources={"cpu": step.cpu, "memory": step.memory} | ({settings.gpu_resource: str(gpus)} if gpus else {}),
        environment=[
            *(_from("secretKeyRef", settings.mlflow_secret, key) for key in MLFLOW_KEYS),
            *(_from("configMapKeyRef", settings.endpoints, key) for key in ENDPOINTS),
        ],
        claim=claim,
        folder=FOLDER,
    )


def _from(kind: str, name: str, key: str) -> dict[str, Any]:
    return {"name": key, "valueFrom": {kind: {"name": name, "key": key}}}
