"""Whether the nodes and the quotas of a cluster can give what the pods of a run request."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..definitions.parameters import Toleration, quantity
from .cluster import Cluster, Object
from .finding import Finding, Wanted

BESIDE = {"cpu": "100m", "memory": "64Mi"}
"""What Argo's container beside a step, or the pod of a driver, requests."""
ENDED = ("Succeeded", "Failed")
GIB = 2**30
Amounts = dict[str, Decimal]


def nodes(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find no node for a pod of this size, or none with enough left. The training pod may run on some nodes alone."""
    plain = {name: quantity(getattr(wanted.resources, name)) + quantity(BESIDE[name]) for name in ("cpu", "memory")}
    yield from _placed(cluster, "a pod", plain, _usable(cluster, {}, []))
    selector, tolerations = wanted.settings.gpu_node_selector, wanted.settings.gpu_tolerations
    if wanted.gpus or selector:
        devices = {wanted.settings.gpu_resource: Decimal(wanted.gpus)} if wanted.gpus else {}
        yield from _placed(cluster, "the training pod", plain | devices, _usable(cluster, selector, tolerations))


def _placed(cluster: Cluster, pod: str, needed: Amounts, usable: Iterable[Object]) -> Iterator[Finding]:
    whole = {node["metadata"]["name"]: _amounts(node["status"]["allocatable"], needed) for node in usable}
    taken = _requested(cluster, needed)
    left = {name: {one: amounts[one] - taken[name][one] for one in amounts} for name, amounts in whole.items()}
    if not any(_covers(amounts, needed) for amounts in whole.values()):
        largest = max(whole.items(), key=lambda item: (item[1]["memory"], item[1]["cpu"]), default=None)
        have = f"the largest, {largest[0]}, has {_words(largest[1])}" if largest else "there is none that takes it"
        yield Finding(
            f"nodes: no node can hold {pod}, which requests {_words(needed)}; {have}",
            "choose a smaller pod_size or fewer pod_gpus, change kubeflow.sizes or kubeflow.gpu_node_selector in "
            "params.yaml, or add a node",
        )
    elif not any(_covers(amounts, needed) for amounts in left.values()):
        yield Finding(
            f"nodes: no node has {_words(needed)} left for {pod}: other pods request the rest",
            "wait for other pods to end, stop some, or add a node; a run would stay Pending until then",
        )


def _usable(cluster: Cluster, selector: Mapping[str, str], tolerations: Sequence[Toleration]) -> list[Object]:
    """Return the nodes that take a pod with this selector and these tolerations."""
    return [
        node
        for node in cluster.of_kind("Node")
        if selector.items() <= (node["metadata"].get("labels") or {}).items()
        and not node["spec"].get("unschedulable")
        and all(any(_tolerates(one, taint) for one in tolerations) for taint in _blocking(node))
    ]


def _blocking(node: Object) -> list[Mapping[str, str]]:
    return [taint for taint in node["spec"].get("taints", []) if taint["effect"] != "PreferNoSchedule"]


def _tolerates(one: Toleration, taint: Mapping[str, str]) -> bool:
    """Say whether a toleration is of this taint; one with an empty key is of any."""
    of_value = one.operator == "Exists" or one.value == taint.get("value", "")
    return one.key in ("", taint["key"]) and one.effect == taint["effect"] and of_value


def _requested(cluster: Cluster, names: Iterable[str]) -> Mapping[str, Amounts]:
    """Return what the pods on each node request together."""
    taken: Mapping[str, Amounts] = defaultdict(lambda: dict.fromkeys(names, Decimal()))
    for pod in cluster.of_kind("Pod"):
        if pod.get("status", {}).get("phase") not in ENDED:
            for name in names:
                taken[pod["spec"].get("nodeName", "")][name] += _of_pod(pod["spec"], name)
    return taken


def _of_pod(spec: Mapping[str, Any], name: str) -> Decimal:
    """Return what a pod requests: its containers together, or one that comes first if that is more, and its overhead.

    A container that comes first and is always started again stays beside the others.
    """
    first = spec.get("initContainers", [])
    staying = [one for one in first if one.get("restartPolicy") == "Always"]
    together = sum((_of_container(one, name) for one in (*spec["containers"], *staying)), Decimal())
    return max([together, *(_of_container(one, name) for one in first)]) + _amount(spec.get("overhead", {}), name)


def _of_container(container: Mapping[str, Any], name: str) -> Decimal:
    return _amount(container.get("resources", {}).get("requests", {}), name)


def _amount(given: Mapping[str, Any], name: str) -> Decimal:
    return quantity(str(given.get(name, "0")))


def _amounts(given: Mapping[str, Any], names: Iterable[str]) -> Amounts:
    return {name: _amount(given, name) for name in names}


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
