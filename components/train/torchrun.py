"""`python -m fabgan.components.train.torchrun ARGUMENTS`: torchrun, whose exit status says what ended a process.

torchrun itself ends with status 1, whether a process has failed or was killed.
"""

import os
import sys

from ..core.cores import usable_cores


def torchrun(processes: int) -> list[str]:
    """Return what goes before the `-m NAME ...` of a program that runs in several processes of this computer."""
    options = ["--standalone", f"--nproc-per-node={processes}"]
    return ["-m", "fabgan.components.train.torchrun", *options] if processes > 1 else []


def environment(processes: int) -> dict[str, str]:
    """Return this process's environment for processes that share its cores: each with as many threads as it may use.

    OMP_NUM_THREADS may list a number for each level of nested regions. What is no number counts as unset.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    threads = max(min(usable_cores() // processes, int(asked) if asked.isdecimal() else usable_cores()), 1)
    return os.environ | ({"OMP_NUM_THREADS": str(threads)} if processes > 1 else {})


def main() -> int:
    """Run torchrun; return its exit status, or 128 + N if signal N ended one of the processes, as shells do."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main()
    except ChildFailedError as error:
        signals = [-failure.exitcode for failure in error.failures.values() if failure.exitcode < 0]
        return 128 + signals[0] if signals else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
