import pytest
import yaml

from fabgan.cli import main
from pipeline.train_job import TrainJob
from tests.conftest import ROOT

JOB = TrainJob(
    name="packages-2026",
    namespace="fab",
    image="registry.fab/fabgan:1",
    arguments=["--params", "/shared/params.yaml"],
    nodes=2,
    processes_per_node=4,
    resources={"cpu": "8", "nvidia.com/gpu": "4"},
    environment=[{"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"}],
    claim="packages",
    folder="/shared",
)


def test_a_train_job_runs_torchrun_on_every_node() -> None:
    manifest = JOB.manifest()
    assert (manifest["apiVersion"], manifest["kind"]) == ("trainer.kubeflow.org/v1alpha1", "TrainJob")
    assert manifest["spec"]["runtimeRef"] == {"name": "torch-distributed"}
    trainer = manifest["spec"]["trainer"]
    assert trainer["command"] == ["torchrun", "-m", "fabgan", "train", "--params", "/shared/params.yaml"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (2, 4)
    assert trainer["resourcesPerNode"]["limits"] == trainer["resourcesPerNode"]["requests"] == JOB.resources


def test_a_train_job_mounts_the_shared_claim_into_its_container() -> None:
    (patch,) = JOB.manifest()["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    (volume,), (container,) = pod["volumes"], pod["containers"]
    assert job["name"] == container["name"] == "node"
    assert volume["persistentVolumeClaim"] == {"claimName": "packages"}
    assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/shared"}]


def test_a_train_job_is_plain_yaml() -> None:
    manifest = JOB.manifest()
    assert yaml.safe_load(yaml.safe_dump(manifest)) == manifest


def test_the_command_prints_a_job_with_the_secrets_and_resources_of_the_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["--name=bga", "--namespace=vision", "--claim=training", "--nodes=2", "--gpus=4"]
    assert main(["pipeline", "train-job", f"--params={ROOT / 'params.yaml'}", "--image=fab/fabgan:1", *asked]) == 0
    trainer = yaml.safe_load(capsys.readouterr().out)["spec"]["trainer"]
    assert trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "4"
    assert trainer["numProcPerNode"] == 4
    assert "--packages=/shared/packages" in trainer["command"]
    secrets = {variable["valueFrom"].get("secretKeyRef", {}).get("name") for variable in trainer["env"]}
    assert "fabgan-mlflow" in secrets


@pytest.mark.parametrize("asked", [["--nodes=0", "--gpus=1"], ["--nodes=1", "--gpus=-1"]])
def test_a_job_on_no_node_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--name=bga", "--namespace=vision", "--claim=training", f"--params={ROOT / 'params.yaml'}"]
    assert main(["pipeline", "train-job", *where, *asked]) == 1
    assert "at least one node" in capsys.readouterr().err
