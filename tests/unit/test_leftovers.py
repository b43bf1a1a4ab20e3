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


def aged(folder: Path) -> Path:
    """Make a folder with a file, both of 2001."""
    folder.mkdir(parents=True)
    (folder / "0.png").write_text("")
    for path in (folder / "0.png", folder):
        os.utime(path, (1e9, 1e9))
    return folder


def test_what_a_kill_left_of_a_replaced_result_goes_unless_it_is_all_there_is(tmp_path: Path) -> None:
    old = [aged(tmp_path / place) for place in (".frames.old", ".lost.old", ".packages.old/.sheets.old")]
    aged(tmp_path / ".packages.old" / "sheets")
    for name in ("frames", "packages"):
        (tmp_path / name).mkdir()
    (tmp_path / ".packages.old" / "0.png").write_text("")
    found = {one.what: one.why.partition(",")[0] for one in old_work(tmp_path, 90)}
    assert found == {str(old[0]): "replaced"}
    for path in (tmp_path / ".packages.old" / "0.png", tmp_path / ".packages.old"):
        os.utime(path, (1e9, 1e9))
    assert [one.what for one in old_work(tmp_path, 90)] == [str(old[0]), str(old[2].parent)]


def test_what_lies_beside_a_linked_folder_is_found(tmp_path: Path) -> None:
    """Results of a link lie beside what it names."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "packages").symlink_to(aged(tmp_path / "large" / "bga"))
    (tmp_path / "project" / "circle").symlink_to(tmp_path / "project" / "circle")
    left = {aged(tmp_path / "large" / name) for name in (".bga.partial", ".bga.old")}
    aged(tmp_path / "large" / ".other.partial")
    assert {one.what for one in old_work(tmp_path / "project", 90)} == set(map(str, left))
