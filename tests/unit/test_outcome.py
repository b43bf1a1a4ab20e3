"""The command line and a pod tell the same errors in one line, with the same exit statuses."""

import errno
import signal

import pytest

from fabgan import cli
from fabgan.commands import preset
from fabgan.components.core.errors import UserError
from fabgan.components.core.signals import Terminated
from fabgan.pipeline.pod.reporting import report_errors

FULL = OSError(errno.ENOSPC, "No space left on device", "/data/metrics.json")
OF_TORCH = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
ROOM = "end other programs or raise the limit"
OUTCOMES = [
    (UserError("train.seed: expected an int"), 1, "fabgan: error: train.seed: expected an int\n"),
    (FULL, 1, "fabgan: error: /data/metrics.json: No space left on device; fix this and {again}\n"),
    (OSError("encoder error -2"), 1, "fabgan: error: encoder error -2; fix this and {again}\n"),
    (MemoryError(), 1, f"fabgan: error: not enough memory; {ROOM}, and {{again}}\n"),
    (MemoryError("9 GiB"), 1, f"fabgan: error: not enough memory (9 GiB); {ROOM}, and {{again}}\n"),
    (RuntimeError(OF_TORCH), 1, f"fabgan: error: not enough memory ({OF_TORCH}); {ROOM}, and {{again}}\n"),
    (Terminated(signal.SIGTERM), 143, "fabgan: warning: terminated; {again}\n"),
    (Terminated(signal.SIGHUP), 129, "fabgan: warning: terminated; {again}\n"),
    (KeyboardInterrupt(), 130, "fabgan: warning: interrupted; {again}\n"),
]


@pytest.mark.parametrize(("error", "status", "words"), OUTCOMES)
def test_what_a_person_can_fix_is_one_line_everywhere(
    error: BaseException,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(preset, "apply_preset", failing)
    assert cli.main(["preset", "demo"]) == status
    assert capsys.readouterr().err == words.format(again="run the same command again")
    with pytest.raises(SystemExit, match=f"^{status}$"):
        report_errors(failing)()
    assert capsys.readouterr().err == words.format(again="start the run again")


def test_a_mistake_in_the_program_keeps_its_traceback() -> None:
    def failing() -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        report_errors(failing)()
