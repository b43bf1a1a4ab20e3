"""The pipeline in containers, confined as a strict cluster would: the same results, and failures that are told."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kfp.local import docker_task_handler
from kfp.local.status import Status

from fabgan.components.core.errors import UserError
from fabgan.pipeline.commands import local
from tests.conftest import RENDERED
from tests.integration.test_pipeline_runs import assert_same_as_repro, run_training
from tests.projects import Project
from tests.servers.bucket import Bucket
from tests.servers.mlflow_server import running_mlflow

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]
TIMES = 100


@pytest.fixture
def run(tmp_path: Path) -> local._Run:
    """A run whose steps are containers, with nothing in their environment."""
    (tmp_path / "root").mkdir()
    return local._Run(tmp_path / "root", {})


def handler(run: local._Run, image: str, script: str) -> docker_task_handler.DockerTaskHandler:
    """Return what Kubeflow's runner uses for one task."""
    runner, _ = local._containers(run, image, {})
    return docker_task_handler.DockerTaskHandler(image, ["sh", "-c", script], str(run.root), runner)


def test_containers_give_the_same_metrics_and_weights_as_dvc_repro(
    project: Project, reproduced: Project, image: str
) -> None:
    assert_same_as_repro(run_training(project, "docker", image=image), reproduced)


def test_a_container_has_nothing_that_a_step_does_not_need(
    run: local._Run, image: str, capfd: pytest.CaptureFixture[str]
) -> None:
    script = (
        "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; ls /sys/class/net; touch /here 2>&1;"
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; touch made && ls"
    )
    assert handler(run, image, script).run() == Status.SUCCESS
    said = capfd.readouterr().out.split("\n")
    assert "10001" in said
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said
    assert any("Read-only file system" in line for line in said)
    assert "lo" in said
    assert "eth0" not in said
    assert "made" in said
    limits = [int(line) for line in said if line.isdigit() and line != "10001"]
    assert limits
    assert max(limits) < 2**40


@pytest.mark.parametrize(
    ("source", "network"),
    [
        ("git+https://git.fab.local/fab.git#data", "host"),
        ("git+ssh://git@git.fab.local/fab.git#data", "host"),
        ("git+file:///srv/fab.git#data", "none"),
        ("rendered.yaml", "none"),
        ("", "none"),
    ],
)
def test_a_container_has_the_network_where_the_photographs_are_on_a_git_server(
    run: local._Run, source: str, network: str
) -> None:
    assert local._strict(run, {"data_source": source})["network_mode"] == network


def test_a_container_reads_the_certificate_of_the_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "ca.crt").write_text("the fab's authority\n")
    (tmp_path / "ca.crt").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", "ca.crt")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "ca.crt"))
    run = local._Run(tmp_path / "root", local._environment(tmp_path / "root", ""))
    script = 'cat "$AWS_CA_BUNDLE" "$MLFLOW_TRACKING_SERVER_CERT_PATH"; echo >> "$AWS_CA_BUNDLE"'
    assert handler(run, image, script).run() == Status.FAILURE
    assert capfd.readouterr().out.count("the fab's authority") == 2


def test_an_authority_that_is_empty_is_none_and_one_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "")
    environment = local._environment(tmp_path, "")
    assert (environment["AWS_CA_BUNDLE"], local._authorities(environment)) == ("", set())
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "gone.crt"))
    with pytest.raises(UserError, match=r"AWS_CA_BUNDLE: .*gone.crt: no such file; set it to the PEM file"):
        local._authorities(local._environment(tmp_path, ""))


def test_a_container_that_fails_is_a_failure_every_time(run: local._Run, image: str) -> None:
    failing = handler(run, image, "echo the camera is on fire; exit 3")
    assert [failing.run() for _ in range(TIMES)] == [Status.FAILURE] * TIMES
    assert run.failure == ["the camera is on fire\n", "(exit status 3)\n"]


def test_an_image_that_is_not_there_and_an_engine_that_does_not_answer_are_one_line(
    project: Project, docker_engine: str
) -> None:
    command = "fabgan pipeline run training --runner docker --image fabgan:nowhere"
    absent = project.tried(command)
    project.environment["DOCKER_HOST"] = f"unix://{project.folder}/nobody.sock"
    silent = project.tried(command)
    for failed, words in ((absent, "the Docker engine has no such image"), (silent, "no Docker engine answers")):
        assert failed.returncode == 1
        assert words in failed.stderr
        assert len(failed.stderr.splitlines()) == 1


@pytest.fixture
def tagged_photographs(tmp_path: Path, reproduced: Project, bucket: Bucket) -> Iterator[Path]:
    """A DVC repository whose tag 2026-10 has all photographs and whose branch has lost half; files in the bucket."""
    folder = tmp_path / "photographs"
    frames = sorted((reproduced.folder / "data" / "frames" / "frames").glob("*.jpg"))
    for index, frame in enumerate(frames):
        lot = folder / "data" / "lots" / f"lot-{index // 4}"
        lot.mkdir(parents=True, exist_ok=True)
        shutil.copy(frame, lot / frame.name)
    repository = Project(folder)
    repository.run("git init -q -b main && git config user.name test && git config user.email test@localhost")
    repository.run(f"dvc init -q && dvc remote add -d store {bucket.url('dvc')}")
    repository.run("dvc add -q data/lots && dvc push -q && git add -A && git commit -qm october && git tag 2026-10")
    for frame in frames[: len(frames) // 2]:
        next(folder.rglob(frame.name)).unlink()
    repository.run("dvc add -q data/lots && dvc push -q && git add -A && git commit -qm november")
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o755)


def test_photographs_of_a_tag_become_a_model_in_a_registry(
    project: Project, image: str, bucket: Bucket, tagged_photographs: Path, tmp_path: Path
) -> None:
    with running_mlflow(tmp_path / "mlflow", bucket.url("mlflow")) as uri:
        project.environment |= bucket.server.environment | {"MLFLOW_TRACKING_URI": uri}
        outcome = run_training(
            project,
            "docker",
            f"--set data_source=git+file://{tagged_photographs}#data/lots --set data_version=2026-10",
            image=image,
        )
        assert outcome.metrics("ingest")["images"] == RENDERED["frames"]
        augmented = tmp_path / "augmented"
        ask = f"--model models:/bga-generator@champion --count 2 --out {augmented}"
        project.run(f"fabgan augment {ask}")
        assert len(list(augmented.glob("*.png"))) == 2
    assert any("generator.safetensors" in key for key in bucket.objects())
