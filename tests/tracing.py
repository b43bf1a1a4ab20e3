"""Whom processes try to reach, as strace sees it."""

import os
import re
import shutil
from pathlib import Path

import pytest

THIS_MACHINE = {"127.0.0.1", "::1"}


class Trace:
    """The connections of commands that are started `under` it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def under(self, *, server: bool = False) -> str:
        """Return what comes before a command to trace it and all it starts; nothing where strace is not installed.

        Of a `server` the process that was started is the traced one, not strace, so that a signal ends it.
        """
        if shutil.which("strace") is None:
            return ""
        return f"strace {'-D ' * server}-f -qq --seccomp-bpf -e trace=connect,sendto -o {self.file}"

    def reached(self) -> set[str]:
        """Return the addresses that the traced processes tried to reach by IP.

        Without strace the test is skipped, or fails where FABGAN_REQUIRE_ALL=1.
        """
        if not self.file.is_file():
            reason = "strace is not installed: connections cannot be traced"
            (pytest.fail if os.environ.get("FABGAN_REQUIRE_ALL") == "1" else pytest.skip)(reason)
        return addresses(self.file.read_text())


def addresses(trace: str) -> set[str]:
    """Return the IP addresses in a trace."""
    return set(re.findall(r'(?:sin_addr=inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"', trace))
