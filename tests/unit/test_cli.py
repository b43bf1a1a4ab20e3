import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fabgan import cli
from fabgan.commands import preset, step
from fabgan.components.artifacts.verdict import Verdict, write_verdict
from fabgan.components.core.files import atomic_file
from fabgan.components.steps import STEPS
from tests.conftest import ROOT, write_params


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("encoder error -2 when writing image file"), "encoder error -2 when writing image file"),
    ],
    ids=["of the system", "of a library"],
)
def test_a_file_that_cannot_be_written_is_one_line_with_its_name_and_the_reason(
    error: OSError, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "params.yaml"

    def refused(params: Path, name: str) -> None:
        with atomic_file(params) as partial:
            partial.write_text(name)
            raise error

    monkeypatch.setattr(preset, "apply_preset", refused)
    assert cli.main(["preset", "demo", "--params", str(path)]) == 1
    expected = f"fabgan: error: {path}: {words}; fix this and run the same command again\n"
    assert capsys.readouterr().err == expected
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("command", "kept"), [("evaluate", ""), ("train", ": finished work is kept")])
def test_a_full_disk_has_cost_the_work_of_a_step_that_does_not_resume(
    command: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(step, "run_step", full)
    write_params(tmp_path)
    paths = [f"--{path}={tmp_path}" for path in STEPS[command].paths]
    status = cli.main([command, *paths, f"--params={tmp_path}/params.yaml", f"--metrics={tmp_path}/metrics.json"])
    said = f"fabgan: error: No space left on device; fix this and run the same command again{kept}\n"
    assert (status, capsys.readouterr().err) == (1, said)


@pytest.mark.parametrize(
    ("command", "option", "expected"),
    [
        ("ingest --metrics m.json", "--output", "expected a path on this computer, and not an address"),
        (
            "augment --model m --count 1",
            "--out",
            "expected a path on this computer, or s3://BUCKET/PREFIX without a key",
        ),
    ],
)
@pytest.mark.parametrize("address", ["s3://KEY:S3cret@bucket/frames", "https://fab.example/S3cret"])
def test_an_address_where_a_path_belongs_makes_no_folder_of_its_name_and_is_not_repeated(
    command: str, option: str, expected: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command.split(), option, address])
    said = capsys.readouterr().err
    assert said.endswith(f"error: argument {option}: {expected}\n")
    assert "S3cret" not in said


def test_a_folder_for_the_metrics_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [
        "--output",
        str(tmp_path / "frames"),
        "--metrics",
        str(tmp_path),
        "--params",
        str(tmp_path / "params.yaml"),
    ]
    write_params(tmp_path)
    assert cli.main(["ingest", *paths]) == 1
    assert f"--metrics: {tmp_path} is a folder; name a file in it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize(
    ("command", "option"),
    [("ingest --output data/frames", "--metrics"), ("augment --model m --count 1", "--out"), ("gather", "--out")],
)
def test_an_empty_path_is_refused_before_the_work(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main([*command.split(), option, ""])
    assert f"argument {option}: expected a path, and not an empty text" in capsys.readouterr().err


def test_a_summary_shows_the_metrics_of_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.json").write_text('{"loss_G": 1.25, "images": 12000}')
    (tmp_path / "ingest.json").write_text("{}")
    assert cli.main(["summary", "--metrics", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == ["train  loss_G    1.25", "train  images  12,000"]


def test_a_summary_names_an_environment_only_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.json").write_text('{"images": 12000}')
    assert cli.main(["summary", "--metrics", "."]) == 0
    said = capsys.readouterr().out
    assert "Then      fabgan augment" in said
    assert ".venv" not in said
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    assert cli.main(["summary", "--metrics", "."]) == 0
    assert "Then      . .venv/bin/activate\n          fabgan augment" in capsys.readouterr().out


def test_a_verdict_is_told_with_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step, "run_step", lambda *_: {"passed": 0.0})
    reasons = [f"reason {number}" for number in range(15)]
    write_verdict(tmp_path, Verdict("refused", reasons, [], "", "", "", "", 1, 1, 1, 0, {}))
    write_params(tmp_path)
    paths = [f"--{path}={tmp_path}" for path in STEPS["evaluate"].paths]
    options = [f"--params={tmp_path}/params.yaml", f"--metrics={tmp_path}/metrics.json"]
    assert cli.main(["evaluate", *paths, *options]) == 0
    said = "refused (reason 0; reason 1; reason 2; and 12 more); look at"
    assert capsys.readouterr().out.splitlines()[1] == f"evaluate: {said} {tmp_path}/report.html"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_ended_is_no_error_to_tell(unbuffered: str, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('{"loss_G": 1.25}')
    command = [sys.executable, "-m", "fabgan", "summary", "--metrics", str(tmp_path)]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, cwd=ROOT, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("content", ['{"a": "x"}', "[1]", '{"a": null}', "7"])
def test_metrics_of_another_form_are_refused_by_the_name_of_their_file(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.json").write_text(content)
    assert cli.main(["summary", "--metrics", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"fabgan: error: {tmp_path}/train.json: expected numbers by name, as")


def test_a_summary_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.json").write_text("{}")
    assert cli.main(["summary", "--metrics", str(tmp_path)]) == 1
    assert "holds no metrics of a step; run the pipeline first" in capsys.readouterr().err


@pytest.mark.parametrize(("closed", "status"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), (">&- --count", 2)])
def test_closed_streams_change_nothing(closed: str, status: int, tmp_path: Path) -> None:
    write_params(tmp_path)
    command = f"{sys.executable} -m fabgan migrate --params params.yaml {closed}"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_a_name_that_the_encoding_of_the_output_lacks_is_written_as_an_escape(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text('{"größe": 1.25}', encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "fabgan", "summary", "--metrics", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "gr\\xf6\\xdfe" in done.stdout
