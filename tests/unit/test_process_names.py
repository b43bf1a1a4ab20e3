"""A process is known to have ended only if it would be seen here."""

import subprocess
import sys

import pytest

from fabgan.components.core.processes import is_gone, this_process


def ended_process() -> str:
    """Return the name of a process that has ended."""
    program = "from fabgan.components.core.processes import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_this_process_is_there_and_one_that_has_ended_is_not() -> None:
    assert not is_gone(this_process())
    assert is_gone(ended_process())


def test_another_process_with_the_same_number_is_not_the_same() -> None:
    assert is_gone(this_process() + "0")


@pytest.mark.parametrize("name", ["", "host:12", "elsewhere/1234/4026531836/1/100", "a/b"])
def test_of_a_process_elsewhere_nothing_is_known(name: str) -> None:
    assert not is_gone(name)
