"""Which connections network policies allow.

The rules are those of https://kubernetes.io/docs/concepts/services-networking/network-policies/.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from .cluster import Cluster, Object

RUN_LABELS = {"workflows.argoproj.io/workflow": "any"}
"""Labels of the pods of a run."""
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """A pod by its namespace and labels, or an address outside the network of pods."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def restricted(cluster: Cluster, pod: Peer, direction: str) -> bool:
    """Say whether any policy restricts a pod in a direction: `egress` or `ingress`."""
    return bool(_policies(cluster, pod, direction))


def allowed(cluster: Cluster, pod: Peer, direction: str, other: Peer, ports: Iterable[int]) -> bool:
    """Say whether the policies of `pod` let it connect to `other`, or be connected by it, on one of the ports."""
    policies = _policies(cluster, pod, direction)
    rules = [rule for policy in policies for rule in policy["spec"].get(direction) or []]
    side = "to" if direction == "egress" else "from"
    return not policies or any(
        _ports_match(rule.get("ports"), set(ports))
        and (side not in rule or any(_matches(cluster, one, other, pod.namespace) for one in rule[side]))
        for rule in rules
    )


def _policies(cluster: Cluster, pod: Peer, direction: str) -> list[Object]:
    kind = direction.capitalize()
    return [
        policy
        for policy in cluster.of_kind("NetworkPolicy", pod.namespace)
        if kind in _types(policy["spec"]) and _selects(policy["spec"].get("podSelector", {}), pod.labels)
    ]


def _types(spec: Mapping[str, Any]) -> list[str]:
    types: list[str] = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return types


def _ports_match(ports: Iterable[Mapping[str, Any]] | None, wanted: set[int]) -> bool:
    """Say whether a rule opens one of the ports. What it opens by a name is not known here, so it counts as open."""
    return ports is None or any(
        isinstance(one.get("port", ""), str) or set(range(one["port"], one.get("endPort", one["port"]) + 1)) & wanted
        for one in ports
    )


def _matches(cluster: Cluster, peer: Mapping[str, Any], other: Peer, own_namespace: str) -> bool:
    """Say whether an entry of a rule means the other side."""
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return _lies_in(other.address, [block["cidr"]]) and not _lies_in(other.address, block.get("except", []))
    if other.address:
        return False
    if "namespaceSelector" in peer:
        namespace = cluster.find("Namespace", other.namespace) or {}
        labels = {NAME_LABEL: other.namespace} | (namespace.get("metadata", {}).get("labels") or {})
        near = _selects(peer["namespaceSelector"], labels)
    else:
        near = other.namespace == own_namespace
    return near and _selects(peer.get("podSelector", {}), other.labels)


def _lies_in(address: str, blocks: Iterable[str]) -> bool:
    return bool(address) and any(ip_address(address) in ip_network(block) for block in blocks)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Say whether a label selector selects these labels; an empty one selects everything."""
    exact = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_expression(one, labels) for one in selector.get("matchExpressions") or [])


def _expression(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, operator = labels.get(one["key"]), one["operator"]
    return {
        "Exists": value is not None,
        "DoesNotExist": value is None,
        "In": value in one.get("values", []),
        "NotIn": value not in one.get("values", []),
    }[operator]
