"""A cluster without a fault, as kubectl would describe it.

It has deploy/overlays/example and its Secrets, rendered by kubectl, Kubeflow's services with the patches of
deploy/kubeflow, and a node.
"""

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.manifests import DEPLOY, Manifest, of_kind, render
from tests.unit.test_deploy import KUBEFLOW
from tests.unit.test_deploy_secrets import make_secrets

RUNS = "kubeflow-user"
CONTROLLER = """
spec:
  templateDefaults:
    retryStrategy: {limit: 2, retryPolicy: OnError}
"""
"""The defaults of Kubeflow Pipelines 2.17 for Argo."""


def object_of(kind: str, name: str, namespace: str = "", **more: Any) -> Manifest:
    """Return an object of Kubernetes."""
    return {"kind": kind, "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}), **more}


def faultless(folder: Path, overlay: str = "example") -> list[Manifest]:
    """Return every object of the cluster; `folder` is for what is rendered."""
    secrets, kubeflow = folder / "secrets", folder / "kubeflow"
    assert make_secrets(secrets).returncode == 0
    shutil.copytree(DEPLOY / "kubeflow", kubeflow / "fabgan")
    (kubeflow / "kubeflow.yaml").write_text(KUBEFLOW)
    (kubeflow / "kustomization.yaml").write_text("resources: [kubeflow.yaml]\ncomponents: [fabgan]\n")
    ours = render(DEPLOY / "overlays" / overlay)
    for one in of_kind(ours, "Deployment", "StatefulSet"):
        one["status"] = {"readyReplicas": 1}
    for one in of_kind(ours, "NetworkPolicy", "ConfigMap"):
        one["metadata"].setdefault("namespace", RUNS)
    return [*ours, *render(secrets), *render(kubeflow), *_around()]


def _around() -> list[Manifest]:
    """Return what is there before fabgan is installed."""
    node = {"allocatable": {"cpu": "1", "memory": "3Gi", "pods": "110"}}
    running = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    address = {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 6443}]}
    store = {"name": "data-object-store-0", "namespace": "fabgan"}
    volume = {"pvcRef": store, "availableBytes": 50 * 2**30, "capacityBytes": 200 * 2**30}
    return [
        *(object_of("Namespace", name) for name in (RUNS, "kubeflow", "kube-system")),
        object_of("Node", "one", spec={}, status=node),
        object_of("Pod", "dns", "kube-system", spec={"nodeName": "one", "containers": [{"resources": running}]}),
        object_of("Secret", "fabgan-registry", RUNS, data={".dockerconfigjson": "e30="}),
        object_of("ConfigMap", "workflow-controller-configmap", "kubeflow", data={"workflowDefaults": CONTROLLER}),
        object_of("Endpoints", "kubernetes", "default", subsets=[address]),
        {"node": {"nodeName": "one"}, "pods": [{"volume": [volume, {"name": "tmp"}]}]},
    ]


def write(path: Path, objects: list[Manifest]) -> None:
    """Write objects as kubectl prints them: lists in YAML, and what is no object as a document of its own."""
    lists = [one for one in objects if "kind" in one]
    others = [one for one in objects if "kind" not in one]
    path.write_text(yaml.safe_dump_all([{"kind": "List", "items": lists}, *others]))


def a_kubectl(folder: Path, script: str) -> str:
    """Write a program called kubectl, and return the PATH that begins with it."""
    folder.mkdir()
    program = folder / "kubectl"
    program.write_text(f"#!{sys.executable}\nimport json, sys\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:{os.environ['PATH']}"
