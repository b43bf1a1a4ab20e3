"""What counts as left over is what this project wrote, and nothing else."""

import os
from pathlib import Path

from fabgan.components.train.checkpoints import FILE_NAME, LOCK
from fabgan.components.train.leftovers import old_work


def test_a_lock_of_another_program_makes_no_checkpoints(tmp_path: Path) -> None:
    for folder, file in ((".dvc/tmp", "lock"), ("runs/one", LOCK), ("runs/two", FILE_NAME)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).write_text("")
        for path in (tmp_path / folder / file, tmp_path / folder):
            os.utime(path, (1e9, 1e9))
    assert [one.what for one in old_work(tmp_path, 90)] == [str(tmp_path / "runs" / name) for name in ("one", "two")]
