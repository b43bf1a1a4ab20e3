"""Nodes are chosen for pods as Kubernetes chooses them, and what other pods request there is not left."""

from dataclasses import replace
from typing import Any

import pytest

from fabgan.pipeline.checks.capacity import nodes
from fabgan.pipeline.checks.cluster import Cluster
from fabgan.pipeline.checks.finding import Wanted
from fabgan.pipeline.commands.settings import kubeflow_settings
from fabgan.pipeline.definitions.parameters import Toleration
from tests.conftest import ROOT
from tests.fab_cluster import object_of
from tests.manifests import Manifest

GPU = "nvidia.com/gpu"
NO_NODE = "nodes: no node can hold the training pod, which requests 0.6 CPU, 2.06 GiB"
NONE_TAKES_IT = f"{NO_NODE}; there is none that takes it"


def node(name: str = "plain", gpus: int = 0, taints: tuple[dict[str, str], ...] = (), **labels: str) -> Manifest:
    """Return a node that can hold a pod of the size demo."""
    amounts = {"cpu": "1", "memory": "3Gi", GPU: str(gpus)}
    made = object_of("Node", name, spec={"taints": list(taints)}, status={"allocatable": amounts})
    made["metadata"]["labels"] = labels
    return made


def found(objects: list[Manifest], gpus: int = 0, **settings: Any) -> list[str]:
    """Return what is said of the nodes, with other settings of the cluster."""
    wanted = replace(kubeflow_settings(ROOT / "params.yaml"), **settings)
    return [one.what for one in nodes(Cluster([*objects]), Wanted("runs", wanted, "demo", gpus, "fabgan:1"))]


def test_gpus_that_no_node_has_are_named() -> None:
    (said,) = found([node()], gpus=2)
    assert said.startswith(f"{NO_NODE}, 2 {GPU}; the largest, plain, has 1 CPU, 3.00 GiB, 0 {GPU}")
    assert found([node(gpus=2)], gpus=2) == []


def test_training_needs_a_selected_node_even_without_gpus() -> None:
    selector = {"gpu": "h100", "rack": "7"}
    assert found([node(gpu="h100")], gpu_node_selector=selector) == [NONE_TAKES_IT]
    assert found([node(), node("large", gpu="h100", rack="7", os="linux")], gpu_node_selector=selector) == []


@pytest.mark.parametrize(
    ("tolerated", "taint", "expected"),
    [
        ((GPU, "Exists", "", "NoSchedule"), {"key": GPU, "value": "present", "effect": "NoSchedule"}, True),
        ((GPU, "Exists", "", "NoSchedule"), {"key": GPU, "effect": "NoExecute"}, False),
        ((GPU, "Exists", "", "NoSchedule"), {"key": "team", "effect": "NoSchedule"}, False),
        ((GPU, "Exists", "", "NoSchedule"), {"key": "team", "effect": "PreferNoSchedule"}, True),
        (("", "Exists", "", "NoSchedule"), {"key": "team", "effect": "NoSchedule"}, True),
        (("team", "Equal", "vision", "NoSchedule"), {"key": "team", "value": "vision", "effect": "NoSchedule"}, True),
        (("team", "Equal", "vision", "NoSchedule"), {"key": "team", "value": "other", "effect": "NoSchedule"}, False),
    ],
)
def test_a_taint_is_tolerated_by_its_key_value_and_effect(
    tolerated: tuple[Any, ...], taint: dict[str, str], expected: bool
) -> None:
    toleration = Toleration(**dict(zip(("key", "operator", "value", "effect"), tolerated, strict=True)))
    said = found([node(), node("large", 1, (taint,))], gpus=1, gpu_tolerations=[toleration])
    assert (said == []) == expected, said


def requesting(*cpus: str) -> list[Manifest]:
    return [{"resources": {"requests": {"cpu": cpu}}} for cpu in cpus]


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        ({"containers": requesting("200m", "200m")}, True),
        ({"containers": requesting("200m", "201m")}, False),
        ({"containers": requesting("200m"), "initContainers": requesting("400m", "400m")}, True),
        ({"containers": requesting("200m"), "initContainers": requesting("401m")}, False),
        ({"containers": requesting("200m"), "overhead": {"cpu": "201m"}}, False),
        (
            {
                "containers": requesting("200m"),
                "initContainers": [one | {"restartPolicy": "Always"} for one in requesting("201m")],
            },
            False,
        ),
    ],
    ids=["containers", "too many", "preparing", "preparing with more", "overhead", "staying"],
)
def test_what_other_pods_request_is_not_left(spec: Manifest, left: bool) -> None:
    for place, phase, free in (("plain", "Running", left), ("plain", "Succeeded", True), ("other", "Running", True)):
        pod = object_of("Pod", "other", "team", spec=spec | {"nodeName": place}, status={"phase": phase})
        assert (found([node(), pod]) == []) == free
