"""Submitting by the command line, with Kubeflow's own client, to a server that speaks its API."""

import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fabgan.components.core.errors import UserError
from fabgan.pipeline.commands import submit
from tests.conftest import ROOT, VERSION
from tests.servers.kubeflow import KubeflowServer, State
from tests.servers.mlflow_server import free_port

pytestmark = pytest.mark.integration
IMAGE = "registry.fab.local/fabgan:9.8.7"


def fabgan(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fabgan", "pipeline", "submit", "--params", "params.yaml", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("let-me-in\n")
    return path


@pytest.mark.parametrize("namespace", ["", "vision"])
def test_a_version_is_uploaded_once_and_every_run_is_of_it(namespace: str, token: Path) -> None:
    with KubeflowServer(State(token="let-me-in")) as server:
        where = ("--host", server.url, "--token-file", str(token), "--namespace", namespace)
        options = ("training", "--image", IMAGE, *where)
        first = fabgan(*options, "--set", "seed=5", "--set", "data_version=2026-10")
        second = fabgan(*options)
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    runs = server.state.runs
    assert len(server.state.experiments) == 1
    assert [pipeline["namespace"] for pipeline in server.state.pipelines] == [namespace]
    assert len({run["pipeline_version_reference"]["pipeline_version_id"] for run in runs}) == 1
    assert len(server.state.specifications) == 2  # uploading a new pipeline makes a version of its own
    given = [run["runtime_config"]["parameters"] for run in runs]
    assert (given[0]["seed"], given[0]["data_version"]) == (5, "2026-10")
    assert given[0].keys() == given[1].keys()
    assert first.stdout.endswith(f"{server.url}/#/runs/details/{runs[0]['run_id']}\n")


def test_the_lists_show_names_that_people_read(token: Path) -> None:
    with KubeflowServer(State(token="let-me-in")) as server:
        where = ("--host", server.url, "--token-file", str(token))
        done = fabgan("training", "--image", IMAGE, *where, "--set", "seed=5", "--set", "data_version=2026-10")
        assert done.returncode == 0, done.stderr
    (pipeline,), (run,) = server.state.pipelines, server.state.runs
    assert (pipeline["name"], pipeline["display_name"]) == ("fabgan-training", "fabgan: train a generator")
    assert pipeline["description"].startswith("Train a generator of package images")
    version = server.state.versions[-1]
    assert re.fullmatch(rf"{re.escape(VERSION)}\+20\d\d-\d\d-\d\d\.[0-9a-f]{{8}}", version["display_name"])
    assert "- **pod_size**: " in version["description"]
    assert run["display_name"] == "rendered 2026-10, 128 px, seamless, seed 5"


@pytest.mark.parametrize("pod", ["wf-system-container-impl-7", "wf-retry-system-container-impl-7", "wf-7"])
def test_a_failed_run_is_told_by_its_step_and_last_line_of_error(
    pod: str, monkeypatch: pytest.MonkeyPatch, token: Path
) -> None:
    monkeypatch.setattr(submit, "POLL_S", 0.01)
    log = "train: 10 of 100\nfabgan: error: train.batch_size: 1000 is too much\nI1127 main.go: exit status 1\n"
    tasks: list[dict[str, Any]] = [
        {"display_name": "root", "state": "FAILED", "pod_name": "wf-1", "child_tasks": [{"pod_name": "wf-5"}]},
        {"display_name": "train", "state": "FAILED", "pod_name": "wf-5", "child_tasks": [{"pod_name": "wf-7"}]},
        {"display_name": "executor(0)", "state": "FAILED", "pod_name": "wf-7"},
        {"display_name": "ingest", "state": "SUCCEEDED", "pod_name": "wf-3"},
    ]
    state = State(token="let-me-in", run_states=["FAILED"], run_error="", tasks=tasks, logs={pod: log})
    with KubeflowServer(state) as server:
        kubeflow = submit.Kubeflow(server.url, "", token, None)
        words = r"^url: the run ended as FAILED: train: fabgan: error: train\.batch_size: 1000 is too much$"
        with pytest.raises(UserError, match=words):
            kubeflow.follow(submit.Run("one", "url"))


def test_without_a_log_kubeflows_own_words_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "POLL_S", 0.01)
    tasks = [{"display_name": "train-driver", "state": "FAILED", "error": {"code": 2, "message": "type mismatch"}}]
    with KubeflowServer(State(run_states=["FAILED"], run_error="workflow failed", tasks=tasks)) as server:
        kubeflow = submit.Kubeflow(server.url, "", None, None)
        with pytest.raises(UserError, match=r"FAILED: train-driver: type mismatch$"):
            kubeflow.follow(submit.Run("one", "url"))


def test_a_pipeline_that_is_there_by_its_other_name_gets_the_version() -> None:
    there = {"name": "fabgan-training", "display_name": "fabgan-training", "namespace": "", "pipeline_id": "old"}
    with KubeflowServer(State(pipelines=[there])) as server:
        submit.Kubeflow(server.url, "", None, None).submit("training", IMAGE, ROOT / "params.yaml", {}, "fabgan")
    assert [pipeline["pipeline_id"] for pipeline in server.state.pipelines] == ["old"]
    assert [version["pipeline_id"] for version in server.state.versions] == ["old"]


@pytest.mark.parametrize(("last", "status"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_waiting_ends_with_the_status_of_the_run(last: str, status: int, tmp_path: Path) -> None:
    with KubeflowServer(State(run_states=[last], run_error="train: out of memory")) as server:
        done = fabgan("training", "--image", IMAGE, "--host", server.url, "--wait")
    assert done.returncode == status, done.stderr
    assert f": {last}\n" in done.stderr
    assert ("train: out of memory" in done.stderr) == (last == "FAILED")
    assert ("the report is the artifact `page` of the step evaluate" in done.stderr) == (last == "SUCCEEDED")


def test_following_tells_every_state_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(submit, "POLL_S", 0.01)
    with KubeflowServer(State(run_states=["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"])) as server:
        kubeflow = submit.Kubeflow(server.url, "", None, None)
        kubeflow.follow(submit.Run("one", "url"))
    assert capsys.readouterr().err == "one: PENDING\none: RUNNING\none: SUCCEEDED\n"


def test_following_takes_the_token_of_now_and_outlasts_a_server_that_is_away(
    token: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(submit, "POLL_S", 0.01)
    with KubeflowServer(State(token="let-me-in", failing_polls=2, run_states=["SUCCEEDED"])) as server:
        kubeflow = submit.Kubeflow(server.url, "", token, None)
        server.state.token = "renewed"
        token.write_text("renewed\n")
        kubeflow.follow(submit.Run("one", "url"))
    away, over = capsys.readouterr().err.splitlines()
    assert "Kubeflow answers 503 Service Unavailable: try later; the run continues" in away
    assert over == "one: SUCCEEDED"


def test_a_run_that_can_no_longer_be_followed_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "POLL_S", 0.01)
    monkeypatch.setattr(submit, "PATIENCE_S", 0.05)
    with KubeflowServer(State()) as server:
        kubeflow = submit.Kubeflow(server.url, "", None, None)
    with pytest.raises(UserError, match=r"^url: the run continues, but .* cannot be reached"):
        kubeflow.follow(submit.Run("one", "url"))


def test_a_wrong_token_a_dead_server_and_a_missing_file_are_one_line(tmp_path: Path) -> None:
    with KubeflowServer(State(token="another")) as server:
        refused = fabgan("training", "--image", IMAGE, "--host", server.url)
    dead = fabgan("training", "--image", IMAGE, "--host", f"http://127.0.0.1:{free_port()}")
    missing = fabgan("training", "--image", IMAGE, "--host", server.url, "--ca-file", str(tmp_path / "ca.pem"))
    for done, words in ((refused, "401"), (dead, "cannot be reached"), (missing, "ca.pem: cannot be read")):
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.startswith("fabgan: error: ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "host", ["https://me:secret@kubeflow.fab", "secret@kubeflow.fab", "https://kubeflow.fab/?x=secret"]
)
def test_a_host_with_a_secret_is_refused_without_saying_it(host: str) -> None:
    with pytest.raises(UserError, match=r"--host: a user, password or query .*use --token-file") as raised:
        submit.Kubeflow(host, "", None, None)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"SECRET\nSECRET", "token: holds a line break or another control character"),
        ("\u201cSECRET\u201d".encode(), "token: holds a character beyond ASCII"),
        ("SECRET".encode("utf-16"), "token: holds a line break or another control character"),
    ],
    ids=["two lines", "quotation marks", "UTF-16"],
)
def test_a_token_that_cannot_be_sent_is_refused_without_saying_it(content: bytes, words: str, token: Path) -> None:
    token.write_bytes(content)
    with pytest.raises(UserError, match=words) as raised:
        submit.Kubeflow("http://127.0.0.1", "", token, None)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("content", [b"\x30\x82\x03\x0f\xff", b"", b"no certificate"], ids=["DER", "empty", "text"])
def test_an_authority_that_is_not_in_pem_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ca.der").write_bytes(content)
    with pytest.raises(UserError, match=r"ca\.der: holds no certificate in PEM"):
        submit.Kubeflow("https://127.0.0.1", "", None, tmp_path / "ca.der")


def test_a_full_disk_is_not_taken_for_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(submit, "compile_to", full)
    with KubeflowServer(State()) as server:
        kubeflow = submit.Kubeflow(server.url, "", None, None)
        with pytest.raises(OSError, match="No space left on device"):
            kubeflow.submit("training", IMAGE, ROOT / "params.yaml", {}, "fabgan")


def test_an_authority_of_the_fab_is_trusted_only_where_it_is_named(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    openssl = shutil.which("openssl")
    assert openssl, "the test needs openssl"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate]
    names = ["-subj", "/CN=fab", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, *made, *names], check=True, capture_output=True)
    with KubeflowServer(State(), (certificate, key)) as server:
        options = ("training", "--image", IMAGE, "--host", server.url)
        stranger, known = fabgan(*options), fabgan(*options, "--ca-file", certificate)
    assert stranger.returncode == 1
    assert "certificate" in stranger.stderr
    assert known.returncode == 0, known.stderr


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("training", {"image_size_px": "48"}, "image_size_px: expected a power of two from 64 to 4096, got 48"),
        ("training", {"lot_pattern": "(["}, r"lot_pattern: '\(\[' is not a regular expression"),
        ("training", {"pod_gpus": "-1"}, "pod_gpus: expected 0 or more, got -1"),
        ("training", {"variant": "stylegan"}, "variant: expected one of paper, seamless, got stylegan"),
        ("sweep", {"image_sizes_px": "[128, 48]"}, "image_size_px: expected a power of two from 64 to 4096, got 48"),
        ("sweep", {"variants": "[]"}, "variants: expected at least one value"),
        ("sweep", {"pod_gpus": "2"}, "train.variant: paper trains in one process"),
        ("augmentation", {"destination": "/tmp"}, "/tmp: expected s3://bucket/prefix"),
        ("augmentation", {"destination": "s3://a/b", "count": "0"}, "count: expected a positive int, got 0"),
        ("defects", {"data_source": "s3://a/b"}, "annotations: say where in the source the defects are annotated"),
        ("defects", {"runs": "1"}, "runs: expected an int of 2 or more, got 1"),
        ("defects", {"image_size_px": "48"}, "image_size_px: expected a power of two"),
        ("defects", {"layout": "voc"}, "layout: expected one of masks, coco, yolo, mvtec, got voc"),
        ("defects", {"model_name": "a/b"}, "model_name: expected a name, not only of dots, without / :"),
        ("augmentation", {"destination": "s3://a/b", "shards": "0"}, "shards: expected a positive int, got 0"),
    ],
)
def test_a_form_that_no_run_could_start_with_is_refused_before_anything_is_sent(
    name: str, form: dict[str, str], words: str
) -> None:
    with KubeflowServer(State()) as server:
        kubeflow = submit.Kubeflow(server.url, "", None, None)
        with pytest.raises(UserError, match=words):
            kubeflow.submit(name, IMAGE, ROOT / "params.yaml", form, "fabgan")
        assert server.state.pipelines == []


@pytest.mark.parametrize("name", ["sweep", "augmentation", "defects"])
def test_the_other_pipelines_are_submitted_too(name: str) -> None:
    form = {"destination": "s3://a/b"} if name == "augmentation" else {}
    with KubeflowServer(State()) as server:
        submit.Kubeflow(server.url, "", None, None).submit(name, IMAGE, ROOT / "params.yaml", form, "fabgan")
    assert [pipeline["name"] for pipeline in server.state.pipelines] == [f"fabgan-{name}"]
