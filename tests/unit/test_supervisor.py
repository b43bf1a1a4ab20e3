"""What is killed is started again, a bounded number of times; what failed or was asked to end is not."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fabgan.components.core.errors import UserError
from fabgan.pipeline.pod import supervisor
from fabgan.pipeline.pod.supervisor import RESTARTS, run_to_its_end
from tests.unit.test_resumable import ITEMS

COUNTED = "echo started >> starts; "


def starts(folder: Path, script: str) -> tuple[int, int]:
    """Run a script of the shell; return its exit status and how often it was started."""
    # A shell that starts the tests in the background ignores SIGINT, and so would the script.
    shell = ["env", "--default-signal=INT", "bash", "-c"]
    status = run_to_its_end("train", [*shell, f"cd {folder}; {COUNTED}{script}"], os.environ)
    return status, len((folder / "starts").read_text().splitlines())


@pytest.mark.parametrize("name", ["KILL", "SEGV", "BUS"])
def test_a_killed_process_is_started_again(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert starts(tmp_path, f"[ $(wc -l < starts) -ge 3 ] || kill -{name} $$") == (0, 3)
    told = capsys.readouterr().err.splitlines()
    assert told == [f"train: warning: killed by SIG{name}; started again ({number} of 3)" for number in (1, 2)]


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 1", 1), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -INT $$", 130)],
)
def test_what_ends_by_itself_or_on_purpose_is_not_started_again(script: str, status: int, tmp_path: Path) -> None:
    assert starts(tmp_path, script) == (status, 1)


def test_a_process_that_is_killed_each_time_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train: killed by SIGKILL 4 times; .* larger pod_size"):
        starts(tmp_path, "kill -KILL $$")
    assert len((tmp_path / "starts").read_text().splitlines()) == 1 + RESTARTS


def test_the_workers_of_a_killed_process_are_not_left_behind(tmp_path: Path) -> None:
    starts(tmp_path, "[ $(wc -l < starts) = 2 ] || { sleep 600 & echo $! > worker; kill -KILL $$; }")
    worker = int((tmp_path / "worker").read_text())
    with suppress(psutil.NoSuchProcess):
        left = psutil.Process(worker)
        while left.status() != psutil.STATUS_ZOMBIE:  # a killed process takes a moment to end
            time.sleep(0.01)


def test_a_killed_worker_counts_as_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when memory runs out and Linux picks a worker of ingest: its step ends, and says so by its status."""
    program = f"""
import sys
from pathlib import Path
from fabgan.components.core.resumable import map_resumably
from fabgan.pipeline.pod import process
from tests.unit.test_resumable import square_but_be_killed
process._step = lambda *_, **__: map_resumably("ingest", square_but_be_killed, {ITEMS}, Path({str(tmp_path)!r}))
process.main(Path("request.json"))
"""
    (tmp_path / "request.json").write_text('{"step": "ingest", "arguments": {}, "found": "found.json"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "RESTARTS", 1)
    with pytest.raises(UserError, match="ingest: killed by SIGKILL 2 times"):
        run_to_its_end("ingest", [sys.executable, "-c", program], os.environ)


PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from fabgan.components.core.signals import end_with_parent
from fabgan.pipeline.pod.reporting import report_errors
from fabgan.pipeline.pod.supervisor import run_to_its_end

def work():
    end_with_parent(signal.SIGTERM)
    Path("started").touch()
    try:
        time.sleep(600)
    finally:
        Path("ended").touch()

def supervise():
    sys.exit(run_to_its_end("train", [sys.executable, __file__, "work"], os.environ))

report_errors(work if sys.argv[1:] else supervise)()
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_process_ends_in_good_order_with_its_supervisor(number: signal.Signals, status: int, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    process = subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "started").is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)  # the work has the same standard error, so this waits for its end too
    assert process.returncode == status
    assert "Traceback" not in told
    assert (tmp_path / "ended").is_file()
