"""The objects of a cluster: asked of kubectl, or read from a file in which its answers were kept."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fabgan.components.core.errors import UserError
from fabgan.components.core.log import logger

Object = Mapping[str, Any]
STORES = "fabgan"
"""Namespace of MLflow and the object store in `deploy/`."""
KUBEFLOW = "kubeflow"
STORE_POD = "object-store-0"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Cluster:
    """Objects of Kubernetes, and the statistics of nodes."""

    objects: list[Object]

    def of_kind(self, kind: str, namespace: str = "") -> list[Object]:
        """Return the objects of a kind, in a namespace if one is given."""
        found = [one for one in self.objects if one.get("kind") == kind]
        return [one for one in found if not namespace or one["metadata"].get("namespace") == namespace]

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """Return the object of this name, or None."""
        return next((one for one in self.of_kind(kind, namespace) if one["metadata"]["name"] == name), None)

    def volumes(self) -> Iterator[Object]:
        """Yield what the nodes say of the volumes of their pods: `pvcRef`, `availableBytes` and `capacityBytes`."""
        for summary in self.objects:
            if "kind" not in summary:
                for pod in summary.get("pods", []):
                    yield from (volume for volume in pod.get("volume", []) if "pvcRef" in volume)


def questions(namespace: str) -> list[list[str]]:
    """Return the arguments of kubectl that list what the checks read, for runs in a namespace."""
    own = "secrets,configmaps,persistentvolumeclaims,networkpolicies,resourcequotas"
    stores = "networkpolicies,deployments,statefulsets"
    return [
        ["get", "nodes,namespaces", "--output=json"],
        ["get", "pods", "--all-namespaces", "--output=json"],
        ["get", "endpoints", "kubernetes", "--namespace=default", "--output=json"],
        ["get", own, f"--namespace={namespace}", "--output=json"],
        ["get", stores, f"--namespace={STORES}", "--output=json"],
        ["get", "deployments,configmaps", f"--namespace={KUBEFLOW}", "--output=json"],
    ]


def ask(namespace: str) -> Cluster:
    """Return what kubectl says of the cluster of its current context.

    Raises UserError without kubectl, or with its answer if it refuses a question: what cannot be read is not checked.
    """
    if shutil.which("kubectl") is None:
        raise UserError("pipeline check: kubectl is not in the PATH; install it, or give --dump a file of its answers")
    cluster = Cluster([one for question in questions(namespace) for one in _items([_answer(question)])])
    store = cluster.find("Pod", STORE_POD, STORES)
    if store is None or "nodeName" not in store["spec"]:
        return cluster
    try:
        summary = _answer(["get", "--raw", f"/api/v1/nodes/{store['spec']['nodeName']}/proxy/stats/summary"])
    except UserError as error:
        logger("check").warning("the free disk of the object store is not known: %s", error)
        return cluster
    return Cluster([*cluster.objects, summary])


def _answer(question: list[str]) -> Any:
    """Return the JSON that kubectl prints."""
    command = ["kubectl", *question]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{' '.join(command)}: no answer in {TIMEOUT_S} s; is the cluster reachable?") from error
    if done.returncode != 0:
        raise UserError(f"{' '.join(command)}: {' '.join(done.stderr.split()) or 'failed'}")
    return json.loads(done.stdout)


def read(path: Path) -> Cluster:
    """Return what a file holds: answers of kubectl in YAML, or in JSON one after another.

    Raises UserError for a file that cannot be read or holds anything else.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
        documents = list(_documents(text) if text.startswith("{") else yaml.safe_load_all(text))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: neither YAML nor JSON: {' '.join(str(error).split())}") from error
    objects = list(_items(documents))
    if not objects or not all(isinstance(one, dict) and ("metadata" in one or "pods" in one) for one in objects):
        raise UserError(f"{path}: expected objects of Kubernetes, as `kubectl get ... --output=yaml` prints them")
    return Cluster(objects)


def _documents(text: str) -> Iterator[Any]:
    """Yield the documents of a text that consists of JSON objects, one after another."""
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        document, place = decoder.raw_decode(text, place)
        yield document
        place += len(text[place:]) - len(text[place:].lstrip())


def _items(documents: Iterable[Any]) -> Iterator[Any]:
    """Yield the objects of documents, those of lists one by one."""
    for document in documents:
        if isinstance(document, dict) and "items" in document:
            yield from document["items"]
        elif document is not None:
            yield document
