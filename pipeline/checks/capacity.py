"""Whether the nodes and the quotas of a cluster can give what the pods of a run request."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ..definitions.cluster import Toleration, quantity
from .cluster import Cluster, Object
from .finding import Finding, Wanted

BESIDE = {"cpu": "100m", "memory": "64Mi"}
"""What Argo's container beside a step, or the pod of a driver, requests."""
ENDED = ("Succeeded", "Failed")
GIB = 2**30
Amounts = dict[str, Decimal]


def nodes(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find no node for a pod of this size, or none with enough left."""
    plain = {name: quantity(getattr(wanted.resources, name)) + quantity(BESIDE[name]) for name in ("cpu", "memory")}
    yield from _placed(cluster, "a pod", plain, [])
    if wanted.gpus:
        devices = plain | {wanted.settings.gpu_resource: Decimal(wanted.gpus)}
        yield from _placed(cluster, "the training pod", devices, wanted.settings.gpu_tolerations)


def _placed(cluster: Cluster, pod: str, needed: Amounts, tolerations: Iterable[Toleration]) -> Iterator[Finding]:
    usable = [node for node in cluster.of_kind("Node") if _is_usable(node, tolerations)]
    whole = {node["metadata"]["name"]: _amounts(node["status"]["allocatable"], needed) for node in usable}
    left = {name: _minus(amounts, _requested(cluster, name, needed)) for name, amounts in whole.items()}
    if not any(_covers(amounts, needed) for amounts in whole.values()):
        largest = max(whole.items(), key=lambda item: (item[1]["memory"], item[1]["cpu"]), default=None)
        have = f"the largest, {largest[0]}, has {_words(largest[1])}" if largest else "there is none that takes pods"
        yield Finding(
            f"nodes: no node can hold {pod}, which requests {_words(needed)}; {have}",
            "choose a smaller pod_size or fewer pod_gpus, change kubeflow.sizes in params.yaml, or add a node",
        )
    elif not any(_covers(amounts, needed) for amounts in left.values()):
        yield Finding(
            f"nodes: no node has {_words(needed)} left for {pod}: other pods request the rest",
            "wait for other pods to end, stop some, or add a node; a run would stay Pending until then",
        )


def _is_usable(node: Object, tolerations: Iterable[Toleration]) -> bool:
    spec = node.get("spec", {})
    tolerated = {one.key for one in tolerations}
    blocking = [one for one in spec.get("taints", []) if one["effect"] != "PreferNoSchedule"]
    return not spec.get("unschedulable") and all(one["key"] in tolerated for one in blocking)


def _requested(cluster: Cluster, node: str, names: Iterable[str]) -> Amounts:
    """Return what the pods on a node request together."""
    pods = [
        one
        for one in cluster.of_kind("Pod")
        if one["spec"].get("nodeName") == node and one.get("status", {}).get("phase") not in ENDED
    ]
    containers = [container for pod in pods for container in pod["spec"]["containers"]]
    requests = [container.get("resources", {}).get("requests", {}) for container in containers]
    return {name: sum((quantity(one.get(name, "0")) for one in requests), Decimal()) for name in names}


def _amounts(given: Mapping[str, Any], names: Iterable[str]) -> Amounts:
    return {name: quantity(str(given.get(name, "0"))) for name in names}


def _minus(whole: Amounts, part: Amounts) -> Amounts:
    return {name: whole[name] - part[name] for name in whole}


def _covers(available: Amounts, needed: Amounts) -> bool:
    return all(available[name] >= amount for name, amount in needed.items())


def _words(amounts: Amounts) -> str:
    others = [f"{amount:f} {name}" for name, amount in amounts.items() if name not in BESIDE]
    return ", ".join([f"{amounts['cpu'].normalize():f} CPU", f"{amounts['memory'] / GIB:.2f} GiB", *others])


def quotas(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find a quota of the namespace that leaves too little."""
    size = wanted.resources
    needed = {
        **dict.fromkeys(("cpu", "requests.cpu"), quantity(size.cpu)),
        **dict.fromkeys(("memory", "requests.memory"), quantity(size.memory)),
        "limits.cpu": quantity(size.cpu_limit),
        "limits.memory": quantity(size.memory_limit),
        f"requests.{wanted.settings.gpu_resource}": Decimal(wanted.gpus),
        "pods": Decimal(1),
    }
    for quota in cluster.of_kind("ResourceQuota", wanted.namespace):
        used = quota.get("status", {}).get("used", {})
        for name, hard in quota["spec"].get("hard", {}).items():
            if name in needed and quantity(str(hard)) - quantity(str(used.get(name, "0"))) < needed[name]:
                yield Finding(
                    f"quota {quota['metadata']['name']}: {name} is {hard}, of which {used.get(name, '0')} is used",
                    f"raise it in the namespace {wanted.namespace}, or choose a smaller pod_size",
                )
