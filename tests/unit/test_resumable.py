import os
import signal
from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.core.resumable import Record, map_resumably, resumable_folder

MARKER = "finished.json"
ITEMS = [(str(number), number) for number in range(6)]


def square(number: int, folder: Path) -> Record:
    with (folder / f"{number}.tries").open("a") as tries:
        tries.write("x")
    return {"square": number * number}


def square_but_stumble(number: int, folder: Path) -> Record:
    if number == 4:
        raise RuntimeError("stumbled")
    return square(number, folder)


def square_but_be_killed(number: int, folder: Path) -> Record:
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number, folder)


def tries(folder: Path) -> dict[str, int]:
    return {path.stem: len(path.read_text()) for path in folder.glob("*.tries")}


def test_records_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    with resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        records = map_resumably("test", square, ITEMS, folder)
    assert [record["square"] for record in records] == [0, 1, 4, 9, 16, 25]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not (tmp_path / "out" / ".records").exists()


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "photograph.jpg").write_text("1")
    with pytest.raises(UserError, match="holds something else"), resumable_folder(tmp_path / "out", "same", MARKER):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photograph.jpg"]


def test_what_was_finished_is_not_done_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stumbled"), resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        map_resumably("test", square_but_stumble, ITEMS, folder)
    assert not (tmp_path / "out").exists()
    with resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        done = set(tries(folder))
        assert done
        map_resumably("test", square, ITEMS, folder)
    assert tries(tmp_path / "out") == {key: 1 for key, _ in ITEMS}


def test_work_with_other_inputs_starts_anew(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stumbled"), resumable_folder(tmp_path / "out", "first", MARKER) as folder:
        map_resumably("test", square_but_stumble, ITEMS, folder)
    with resumable_folder(tmp_path / "out", "second", MARKER) as folder:
        assert tries(folder) == {}
        map_resumably("test", square, ITEMS, folder)


def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    killed = pytest.raises(UserError, match="test: a worker process was killed")
    with killed, resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        map_resumably("test", square_but_be_killed, ITEMS, folder)
