"""`fabgan gc` on a real MLflow server, a real bucket and real folders: it lists, and removes only what may go."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from fabgan.components.core.leftovers import old_files
from fabgan.components.services import uploads
from fabgan.components.services.tracking import pipelines
from fabgan.components.services.tracking.promotion import publish
from fabgan.components.services.tracking.registry import Registry
from fabgan.components.services.tracking.runs import step_run
from fabgan.components.services.uploads import old_uploads
from tests.servers.bucket import Bucket
from tests.servers.mlflow_server import running_mlflow

pytestmark = pytest.mark.integration
DAY_S = 86_400
SECTION = {"publish": {"model_name": "bga"}}
PART = bytes(5 << 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder with its database and artifacts."""
    folder = tmp_path_factory.mktemp("gc")
    with running_mlflow(folder / "server", str(folder / "artifacts")) as uri:
        yield uri, folder


@pytest.fixture(autouse=True)
def in_use(server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server[0])
    mlflow.set_tracking_uri(server[0])  # an earlier test of this process may have set another one


def gc(*arguments: object) -> tuple[int, list[str]]:
    """Return the exit status and the lines of `fabgan gc`, or the last line of its messages if it failed."""
    command = [sys.executable, "-m", "fabgan", "gc", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines() if done.returncode == 0 else done.stderr.splitlines()[-1:]


def pipeline(name: str, model: str, folder: Path, verdict: str | None, days: float = 100) -> str:
    """Run a pipeline that registers a version, unless the verdict is None; return the identifier of its own run."""
    folder.mkdir(exist_ok=True)
    (folder / "weights.bin").write_bytes(name.encode() * 100)
    client = MlflowClient()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FABGAN_RUN", name)
        pipelines.record_pipeline(SECTION)
        with step_run("publish", SECTION, {}) as run:
            run.mlflow.log_artifact(str(folder / "weights.bin"), "report")
            if verdict:
                tags = {"verdict": verdict, "weights_sha256": name}
                publish(Registry(), model, folder, tags, lambda one, champion: (champion is None, "as the test says"))
        pipelines.record_outcome("done")
        pipelines.end_pipeline()
    for run_id in (run.run_id, run.parent_id):
        client.set_terminated(run_id, end_time=int((time.time() - days * DAY_S) * 1000))
    return run.parent_id


def numbers(model: str) -> set[int]:
    return {version.number for version in Registry().versions(model)}


def ids_of_runs() -> set[str]:
    client = MlflowClient()
    experiment = client.get_experiment_by_name("fabgan")
    assert experiment is not None
    return {run.info.run_id for run in client.search_runs([experiment.experiment_id])}


def test_old_pipelines_go_with_their_versions_and_what_is_in_use_stays(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "generator"
    verdicts = ["exportable", "refused", "exportable", "refused", "exportable", "refused"]
    runs = [pipeline(f"bga-{index}", "bga", folder, verdict) for index, verdict in enumerate(verdicts)]
    lately = pipeline("lately", "other", folder, "refused", days=10)
    nothing = pipeline("nothing", "other", folder, None)
    Registry().drop_alias("bga", "candidate")
    assert numbers("bga") == {1, 2, 3, 4, 5, 6}

    status, lines = gc("--mlflow", "--older-than", 30, "--keep", 2)
    assert (status, len(lines)) == (0, 5), lines
    assert [number for number in range(1, 7) if any(f"models:/bga/{number} " in line for line in lines)] == [2, 3, 4]
    assert any("models:/bga/2 (refused)" in line and "ended 100 days ago" in line for line in lines)
    assert any("has no version" in line and line.startswith("     700 B  pipeline ") for line in lines)
    assert lines[-1].endswith("in 4 place(s): nothing was removed; --delete removes it")
    assert numbers("bga") == {1, 2, 3, 4, 5, 6}

    status, lines = gc("--mlflow", "--older-than", 30, "--keep", 2, "--delete")
    assert (status, lines[-2].split(": ")[-1]) == (0, "removed")
    assert numbers("bga") == {1, 5, 6}  # the champion, and the last two
    remaining = ids_of_runs()
    assert remaining.isdisjoint([*runs[1:4], nothing])
    assert {runs[0], *runs[4:], lately} <= remaining
    assert gc("--mlflow", "--older-than", 30, "--keep", 2)[1] == [
        "       0 B  in 0 place(s): nothing was removed; --delete removes it"
    ]

    uri, place = server
    stored = {path: path.read_bytes()[:5] for path in (place / "artifacts").rglob("weights.bin")}
    database = f"--backend-store-uri=sqlite:///{place}/server/mlflow.db"
    subprocess.run([sys.executable, "-m", "mlflow", "gc", database, f"--tracking-uri={uri}"], check=True)
    assert {begin for path, begin in stored.items() if not path.exists()} == {b"bga-1", b"bga-2", b"bga-3", b"nothi"}
    for version in Registry().versions("bga"):
        Registry().pull(version, tmp_path / f"pulled-{version.number}")
        assert (tmp_path / f"pulled-{version.number}" / "weights.bin").is_file()


def test_what_others_registered_or_copied_and_what_runs_stays(tmp_path: Path) -> None:
    client, folder = MlflowClient(), tmp_path / "generator"
    own = pipeline("foreign", "foreign", folder, None)
    (step,) = [
        run.info.run_id
        for run in client.search_runs([client.get_run(own).info.experiment_id])
        if run.data.tags.get("mlflow.parentRunId") == own
    ]
    last = pipeline("last", "last", folder, None)
    client.create_registered_model("of-somebody-else")
    for run_id in (step, last):
        client.create_model_version("of-somebody-else", client.get_run(run_id).info.artifact_uri, run_id)
    still = pipeline("still", "still", folder, None)
    copied = [pipeline(f"copied-{index}", "copied", folder, "refused") for index in range(3)]
    for number in (1, 2):
        client.copy_model_version(f"models:/copied/{number}", "copies")
    client.update_run(still, status="RUNNING")
    gc("--mlflow", "--older-than", 30, "--keep", 1, "--delete")
    assert {own, step, last, still, *copied} <= ids_of_runs()
    assert [numbers(model) for model in ("of-somebody-else", "copied", "copies")] == [{1, 2}, {1, 2, 3}, {1, 2}]
    client.set_terminated(still, "FAILED", end_time=1)
    gc("--mlflow", "--older-than", 30, "--delete")
    assert still not in ids_of_runs()


def made(path: Path, size: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    return path


def age(place: Path, days: float) -> None:
    """Let a file, or a folder with all that is in it, look as if it was written so long ago."""
    then_s = time.time() - days * DAY_S
    for path in (place, *place.rglob("*")):
        os.utime(path, (then_s, then_s))


def test_old_checkpoints_and_unfinished_results_go_and_data_stays(tmp_path: Path) -> None:
    old = made(tmp_path / "checkpoints" / "0123" / "checkpoint.safetensors")
    made(tmp_path / "checkpoints" / "0123" / ".samples.partial")
    lately = made(tmp_path / "checkpoints" / "4567" / "checkpoint.safetensors")
    partial = made(tmp_path / "data" / ".packages.partial" / ".records" / ".a.json.partial")
    begun = made(tmp_path / "data" / ".frames.partial")
    packages = made(tmp_path / "data" / "packages" / "0.png")
    age(tmp_path, 40)
    for place in (lately.parent, begun):
        age(place, 2)
    status, lines = gc("--folder", tmp_path, "--older-than", 30)
    assert (status, len(lines)) == (0, 3), lines
    assert f"  {old.parent}: checkpoints, last written 40 days ago" in lines[0]
    assert f"  {tmp_path}/data/.packages.partial: unfinished, last written 40 days ago" in lines[1]
    assert lines[2] == "    3.0 kB  in 2 place(s): nothing was removed; --delete removes it"
    assert old.is_file()
    assert gc("--folder", tmp_path, "--older-than", 30, "--delete")[0] == 0
    assert not old.parent.exists()
    assert not partial.parent.parent.exists()
    assert all(path.is_file() for path in (lately, begun, packages))


def test_what_vanishes_while_it_is_looked_at_is_in_use(tmp_path: Path) -> None:
    """A training at work replaces its files. Here they vanish between the search and the look."""
    checkpoint = made(tmp_path / "4567" / "checkpoint.safetensors")
    age(tmp_path, 40)
    assert [one.what for one in old_files([checkpoint.parent], 30, "checkpoints")] == [str(checkpoint.parent)]
    assert old_files([checkpoint.parent, tmp_path / "gone"], 30, "x")[0].what == str(checkpoint.parent)


def test_broken_uploads_go_and_objects_stay(bucket: Bucket) -> None:
    bucket.put("lots/a.png", b"photograph")
    asked = {"Bucket": bucket.name, "Key": "lots/b.png"}
    upload = bucket.client.create_multipart_upload(**asked)["UploadId"]
    bucket.client.upload_part(**asked, UploadId=upload, PartNumber=1, Body=PART)
    time.sleep(2)  # the store tells whole seconds
    assert gc("--bucket", bucket.name, "--older-than", 1)[1][-1].startswith("       0 B  in 0 place(s)")
    status, lines = gc("--bucket", bucket.name, "--older-than", 1e-6, "--delete")
    assert status == 0
    assert lines[0].startswith(f"    5.2 MB  upload of s3://{bucket.name}/lots/b.png: begun 0 days ago")
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)
    assert list(bucket.objects()) == ["lots/a.png"]
    status, (said,) = gc("--bucket", f"no-{bucket.name}", "--older-than", 1)
    assert (status, "there is no such bucket" in said) == (1, True), said


def test_uploads_that_end_meanwhile_are_none(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"Bucket": bucket.name, "Key": "lots/b.png"}
    begun = [bucket.client.create_multipart_upload(**asked)["UploadId"] for _ in range(2)]
    time.sleep(2)  # the store tells whole seconds
    real, parts_of = uploads._size_bytes, list[str]()

    def size_bytes(upload: dict[str, str]) -> int | None:
        parts_of.append(upload["UploadId"])
        if upload["UploadId"] == begun[0]:
            bucket.client.abort_multipart_upload(**asked, UploadId=begun[0])
        return real(upload)

    monkeypatch.setattr(uploads, "_size_bytes", size_bytes)
    assert old_uploads(bucket.name, 1) == []
    assert parts_of == []
    (left,) = old_uploads(bucket.name, 1e-6)
    bucket.client.abort_multipart_upload(**asked, UploadId=begun[1])
    left.remove()
    assert set(parts_of) == set(begun)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--older-than", "30"], "name where to look: --mlflow, --folder DIR, --bucket NAME"),
        (["--mlflow", "--older-than", "0"], "fabgan gc: older_than: expected a positive number, got 0.0"),
        (["--mlflow", "--older-than", "30", "--keep", "0"], "fabgan gc: keep: expected a positive int, got 0"),
        (["--folder", "nowhere", "--older-than", "30"], "nowhere: no such folder"),
        (["--bucket", "fabgan-data", "--older-than", "30"], "AWS_ENDPOINT_URL_S3: expected the object store's address"),
    ],
)
def test_what_cannot_be_asked_is_one_line(arguments: list[str], words: str) -> None:
    status, (said,) = gc(*arguments)
    assert (status, words in said) == (1, True), said
