"""Messages: one a line on standard error, as text or as JSON, and none from a library that nobody asked to speak."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fabgan.cli import main
from fabgan.components.core.errors import UserError
from fabgan.components.core.log import LOG, logger, start_logging


def test_a_message_has_its_source_and_a_warning_its_level(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    logger("train").info("step %d", 3)
    logger("train").warning("slow")
    LOG.error("wrong key")
    assert capsys.readouterr().err == "train: step 3\ntrain: warning: slow\nfabgan: error: wrong key\n"


def test_a_terminal_does_not_obey_the_name_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    LOG.error("lot/\x1b[2Ja\r\x9b.jpg: Lötstelle")
    assert capsys.readouterr().err == "fabgan: error: lot/\\x1b[2Ja\\x0d\\x9b.jpg: Lötstelle\n"


def test_the_name_of_a_file_cannot_look_like_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging()
    forged = "a\ntrain: done.jpg"
    logger("ingest").warning("%s of %d: %s", Path(forged), 2, UserError(forged))
    LOG.error(UserError(f"{forged}: not an image"))
    said = capsys.readouterr().err
    assert "ingest: warning: a\\ntrain: done.jpg of 2: a\\ntrain: done.jpg\n" in said
    assert said.splitlines()[1:] == ["fabgan: error: a", "  train: done.jpg: not an image"]


def test_json_has_a_line_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing.yaml"
    assert main(["--log-format", "json", "preset", "demo", "--params", str(missing)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.keys() == {"time", "level", "source", "message"}
    assert (said["level"], said["source"]) == ("error", "fabgan")
    assert str(missing) in said["message"]


def test_a_program_that_imports_fabgan_hears_no_progress() -> None:
    program = "from fabgan.components.core.progress import Progress; Progress('work', 1, 'images').advance(1)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
