"""The alerts of deploy/components/monitoring, as Prometheus itself judges them, and what they are made of."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.manifests import DEPLOY, Manifest, example_with, named, need, of_kind, openings, render

LINES = ("- ../../components/monitoring", "monitoringNamespace:")
BACKUP = 'namespace="fabgan", cronjob="backup"'
CLAIM = 'namespace="fabgan", persistentvolumeclaim="data-object-store-0"'
STORE = 'namespace="fabgan", pod="object-store-0", name="/data"'

Case = tuple[dict[str, str], str, str, list[dict[str, str]]]
CASES: dict[str, Case] = {
    "a backup of this night": (
        {f"kube_cronjob_status_last_successful_time{{{BACKUP}}}": "0+60x3000"},
        "35h",
        "FabganBackupMissing",
        [],
    ),
    "nights without a backup": (
        {
            f"kube_cronjob_status_last_successful_time{{{BACKUP}}}": "3600x3000",
            f"kube_cronjob_created{{{BACKUP}}}": "0x3000",
        },
        "38h",
        "FabganBackupMissing",
        [{"cronjob": "backup", "namespace": "fabgan"}],
    ),
    "no backup ever": (
        {f"kube_cronjob_created{{{BACKUP}}}": "0x3000"},
        "37h",
        "FabganBackupMissing",
        [{"cronjob": "backup", "namespace": "fabgan"}],
    ),
    "a volume with room": (
        {
            f"kubelet_volume_stats_available_bytes{{{CLAIM}}}": "20x3000",
            f"kubelet_volume_stats_capacity_bytes{{{CLAIM}}}": "100x3000",
        },
        "2h",
        "FabganVolumeFull",
        [],
    ),
    "a full volume": (
        {
            f"kubelet_volume_stats_available_bytes{{{CLAIM}}}": "9x3000",
            f"kubelet_volume_stats_capacity_bytes{{{CLAIM}}}": "100x3000",
        },
        "2h",
        "FabganVolumeFull",
        [{"namespace": "fabgan", "persistentvolumeclaim": "data-object-store-0"}],
    ),
    "a full store": (
        {
            f'SeaweedFS_volumeServer_resource{{{STORE}, type="free"}}': "9x3000",
            f'SeaweedFS_volumeServer_resource{{{STORE}, type="all"}}': "100x3000",
        },
        "2h",
        "FabganObjectStoreFull",
        [{"namespace": "fabgan", "pod": "object-store-0", "name": "/data"}],
    ),
    "MLflow away": (
        {
            'kube_deployment_status_replicas_available{namespace="fabgan", deployment="mlflow"}': "0x3000",
            'kube_statefulset_status_replicas_ready{namespace="fabgan", statefulset="postgresql"}': "1x3000",
        },
        "2h",
        "FabganServiceDown",
        [{"namespace": "fabgan", "deployment": "mlflow"}],
    ),
    "a store that is not ready": (
        {'kube_statefulset_status_replicas_ready{namespace="fabgan", statefulset="object-store"}': "0x3000"},
        "2h",
        "FabganServiceDown",
        [{"namespace": "fabgan", "statefulset": "object-store"}],
    ),
    "a pod that waits": (
        {'kube_pod_status_phase{namespace="team-a", pod="train", phase="Pending"}': "1x3000"},
        "2h",
        "FabganPodPending",
        [{"namespace": "team-a", "pod": "train", "phase": "Pending"}],
    ),
    "a pod of somebody else that waits": (
        {'kube_pod_status_phase{namespace="kubeflow-user", pod="train", phase="Pending"}': "1x3000"},
        "2h",
        "FabganPodPending",
        [],
    ),
}
"""Series, the time at which Prometheus is asked, the alert, and the labels of what fires."""


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """The example with alerts, for runs in the namespace team-a and a Prometheus in the namespace watch."""
    folder = example_with(tmp_path_factory.mktemp("monitoring"), *LINES)
    settings = (folder / "settings.yaml").read_text().replace("kubeflow-user", "team-a")
    (folder / "settings.yaml").write_text(
        settings.replace("monitoringNamespace: monitoring", "monitoringNamespace: watch")
    )
    return render(folder)


@pytest.fixture(scope="module")
def rules(overlay: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules of both namespaces as a file of Prometheus."""
    groups = [group for rule in of_kind(overlay, "PrometheusRule") for group in rule["spec"]["groups"]]
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": groups}))
    return path


def promtool(*arguments: str) -> None:
    command = [need("promtool", "prometheus"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules(rules: Path) -> None:
    promtool("check", "rules", "--lint-fatal", str(rules))


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_when_it_should_and_only_then(case: str, rules: Path, tmp_path: Path) -> None:
    series, asked, alert, fired = CASES[case]
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in all_rules(rules)}[alert]
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": asked,
                "alertname": alert,
                "exp_alerts": [{"exp_labels": labels | {"severity": severity}} for labels in fired],
            }
        ],
    }
    bare = {"groups": [{"name": "bare", "rules": [without_words(rule) for rule in all_rules(rules)]}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(bare))
    content = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(content))
    promtool("test", "rules", str(tmp_path / "test.yaml"))


def all_rules(rules: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]]


def without_words(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key != "annotations"}


def test_every_alert_says_what_to_do(rules: Path) -> None:
    for rule in all_rules(rules):
        assert {"summary", "description"} <= rule["annotations"].keys()


def test_prometheus_reaches_the_metrics_of_the_store_and_nothing_else_is_opened(overlay: list[Manifest]) -> None:
    (store,) = named(overlay, "StatefulSet", "object-store")["spec"]["template"]["spec"]["containers"]
    assert store["command"][-1] == "-metricsPort=9327"
    assert {"name": "metrics", "containerPort": 9327} in store["ports"]
    monitor = named(overlay, "PodMonitor", "object-store")["spec"]
    assert [endpoint["port"] for endpoint in monitor["podMetricsEndpoints"]] == ["metrics"]
    before = render(DEPLOY / "overlays/example")
    for direction, opened in (("ingress", {("watch", "object-store", 9327)}), ("egress", set())):
        assert openings(overlay, direction) - openings(before, direction) == opened


def test_the_alert_of_pending_pods_is_in_the_namespace_of_the_runs(overlay: list[Manifest]) -> None:
    assert named(overlay, "PrometheusRule", "fabgan-runs")["metadata"]["namespace"] == "team-a"
    assert named(overlay, "PrometheusRule", "fabgan")["metadata"]["namespace"] == "fabgan"


def test_a_label_by_which_prometheus_selects_is_added_by_the_lines_of_the_guide(tmp_path: Path) -> None:
    folder = example_with(tmp_path, *LINES)
    guide = (ROOT / "docs/air_gap.md").read_text()
    (lines,) = re.findall(r"```yaml\n(patches:\n.*?monitoring.coreos.com.*?)```", guide, re.DOTALL)
    with (folder / "kustomization.yaml").open("a") as file:
        file.write(lines)
    labelled = of_kind(render(folder), "PrometheusRule", "PodMonitor")
    assert [one["metadata"]["labels"]["release"] for one in labelled] == ["prometheus"] * 3
