"""Network policies are read as Kubernetes reads them."""

from pathlib import Path

import pytest

from fabgan.pipeline.checks.cluster import Cluster, read
from fabgan.pipeline.checks.finding import Wanted
from fabgan.pipeline.checks.network import Peer, allowed
from fabgan.pipeline.checks.surroundings import _targets
from fabgan.pipeline.commands.settings import kubeflow_settings
from tests.conftest import ROOT
from tests.fab_cluster import object_of, write
from tests.manifests import Manifest


def test_policies_are_read_as_kubernetes_reads_them(tmp_path: Path) -> None:
    rule = {
        "to": [
            {
                "namespaceSelector": {},
                "podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]},
            }
        ]
    }
    policy = object_of("NetworkPolicy", "one", "runs", spec={"podSelector": {}, "egress": [rule]})
    write(tmp_path / "dump.yaml", [policy])
    cluster, pod = read(tmp_path / "dump.yaml"), Peer("runs", {"x": "y"})
    assert allowed(cluster, pod, "egress", Peer("other", {"app": "b"}), [1])
    assert not allowed(cluster, pod, "egress", Peer("other", {"app": "a"}), [1])
    assert not allowed(cluster, pod, "egress", Peer(address="10.0.0.1"), [1])
    assert not allowed(cluster, pod, "ingress", Peer("other"), [1]), "without policyTypes, a policy is one of ingress"
    assert allowed(cluster, Peer("elsewhere"), "ingress", Peer("other"), [1])


@pytest.mark.parametrize(
    ("ports", "opened"),
    [
        ([{"port": 80, "endPort": 90}], {80, 85, 90}),
        ([{"port": "http"}], {79, 80, 85, 90, 91}),
        ([{}], {79, 80, 85, 90, 91}),
    ],
)
def test_ports_may_be_a_range_a_name_or_all(ports: list[Manifest], opened: set[int], tmp_path: Path) -> None:
    policy = object_of("NetworkPolicy", "one", "runs", spec={"podSelector": {}, "egress": [{"ports": ports}]})
    write(tmp_path / "dump.yaml", [policy])
    cluster, pod, other = read(tmp_path / "dump.yaml"), Peer("runs"), Peer("other")
    assert {port for port in (79, 80, 85, 90, 91) if allowed(cluster, pod, "egress", other, [port])} == opened


def test_an_address_may_be_excepted_from_a_block(tmp_path: Path) -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    policy = object_of("NetworkPolicy", "one", "runs", spec={"podSelector": {}, "egress": [{"to": [block]}]})
    write(tmp_path / "dump.yaml", [policy])
    cluster = read(tmp_path / "dump.yaml")
    reached = [allowed(cluster, Peer("runs"), "egress", Peer(address=one), [443]) for one in ("10.0.0.1", "10.1.0.1")]
    assert reached == [True, False]


@pytest.mark.parametrize(
    ("address", "port"),
    [("http://mlflow.fabgan", 80), ("https://mlflow.fabgan", 443), ("https://mlflow.fabgan:5000", 5000)],
)
def test_an_address_without_a_port_has_that_of_its_scheme(address: str, port: int) -> None:
    wanted = Wanted("runs", kubeflow_settings(ROOT / "params.yaml"), "demo", 0, "fabgan:1")
    endpoints = object_of("ConfigMap", wanted.settings.endpoints, "runs", data={"MLFLOW_TRACKING_URI": address})
    cluster = Cluster([endpoints, object_of("Namespace", "fabgan")])
    assert [ports for name, _, ports in _targets(cluster, wanted) if name == "MLflow"] == [[port]]
