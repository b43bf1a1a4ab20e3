from pathlib import Path
from typing import Any

import pytest
import yaml

from fabgan.cli import main
from tests.conftest import ROOT
from tests.manifests import NODES

ASKED = [
    "pipeline",
    "train-job",
    "--image=fab/fabgan:1",
    "--name=bga",
    "--namespace=vision",
    "--claim=training",
    "--size=large",
]


def printed(capsys: pytest.CaptureFixture[str], *asked: str, params: Path = ROOT / "params.yaml") -> dict[str, Any]:
    assert main([*ASKED, f"--params={params}", *asked]) == 0
    spec: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)["spec"]
    return spec


def pod_of(spec: dict[str, Any]) -> dict[str, Any]:
    (patch,) = spec["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["name"] == "node"
    assert job["template"]["spec"]["template"]["metadata"]["labels"] == {"app.kubernetes.io/name": NODES}
    pod: dict[str, Any] = job["template"]["spec"]["template"]["spec"]
    return pod


def test_torchrun_runs_on_every_node(capsys: pytest.CaptureFixture[str]) -> None:
    spec = printed(capsys, "--nodes=2", "--gpus=4")
    trainer = spec["trainer"]
    assert spec["runtimeRef"] == {"name": "torch-distributed"}
    assert trainer["command"][:4] == ["torchrun", "-m", "fabgan", "train"]
    assert "--packages=/shared/packages" in trainer["command"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (2, 4)
    assert trainer["resourcesPerNode"]["requests"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "4"}
    assert trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "4"


def test_its_secrets_and_addresses_are_those_of_the_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    spec = printed(capsys, "--nodes=2", "--gpus=4")
    secrets = {variable["valueFrom"].get("secretKeyRef", {}).get("name") for variable in spec["trainer"]["env"]}
    assert "fabgan-mlflow" in secrets
    assert pod_of(spec)["imagePullSecrets"] == [{"name": "fabgan-registry"}]


def test_every_mount_has_its_volume_and_the_claim_is_shared(capsys: pytest.CaptureFixture[str]) -> None:
    pod = pod_of(printed(capsys, "--nodes=2", "--gpus=1"))
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts["/shared"]["persistentVolumeClaim"] == {"claimName": "training"}
    assert mounts["/dev/shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert mounts["/etc/fabgan-ca"]["configMap"] == {"name": "fabgan-ca", "optional": True}
    assert set(mounts) == {"/shared", "/dev/shm", "/tmp", "/etc/fabgan-ca"}


def test_a_restricted_namespace_admits_its_pods(capsys: pytest.CaptureFixture[str]) -> None:
    """What https://kubernetes.io/docs/concepts/security/pod-security-standards/ asks of `restricted`."""
    pod = pod_of(printed(capsys, "--nodes=2", "--gpus=1"))
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {kind for volume in pod["volumes"] for kind in volume} == {
        "name",
        "persistentVolumeClaim",
        "emptyDir",
        "configMap",
    }


def test_its_pods_go_where_the_gpus_are_or_anywhere_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["kubeflow"]["gpu_node_selector"] = {"gpu": "h100"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    pod = pod_of(printed(capsys, "--nodes=2", "--gpus=1", params=tmp_path / "params.yaml"))
    assert pod["nodeSelector"] == {"gpu": "h100"}
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    spec = printed(capsys, "--nodes=2", "--gpus=0", params=tmp_path / "params.yaml")
    assert not {"nodeSelector", "tolerations"} & set(pod_of(spec))
    assert spec["trainer"]["numProcPerNode"] == 1


def test_its_size_is_that_of_the_form_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {}
    for size in ("", "demo", "large"):
        asked = [*(each for each in ASKED if not each.startswith("--size")), f"--size={size}"]
        assert main([*asked, f"--params={ROOT / 'params.yaml'}", "--nodes=1", "--gpus=0"]) == 0
        sizes[size] = yaml.safe_load(capsys.readouterr().out)["spec"]["trainer"]["resourcesPerNode"]
    assert sizes[""] == sizes["demo"] != sizes["large"]


@pytest.mark.parametrize("asked", [["--nodes=0", "--gpus=1"], ["--nodes=1", "--gpus=-1"]])
def test_a_job_on_no_node_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, f"--params={ROOT / 'params.yaml'}", *asked]) == 1
    assert "at least one node" in capsys.readouterr().err


def test_processes_that_cannot_train_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, f"--params={ROOT / 'params.yaml'}", "--nodes=3", "--gpus=1"]) == 1
    assert "train.batch_size: 8 images cannot be divided evenly by 3 processes" in capsys.readouterr().err


def test_parameters_of_another_schema_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"schema": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    assert main([*ASKED, f"--params={tmp_path}/params.yaml", "--nodes=1", "--gpus=0"]) == 1
    assert "run `fabgan migrate" in capsys.readouterr().err
