import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from fabgan.components.core import locks, resumable
from fabgan.components.core.errors import UserError, WorkerKilledError
from fabgan.components.core.files import Marker, sha256_of_file
from fabgan.components.core.resumable import Record, Reuse, keep_only, map_resumably, resumable_folder

FINISHED = "finished.json"
MARKER = Marker(FINISHED, lambda folder: "")
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


def square_but_lack_memory(number: int, folder: Path) -> Record:
    if number == 0:
        raise MemoryError
    time.sleep(0.3)
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


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    """A small disk may hold a link to a folder of a large one."""
    (tmp_path / "large" / "frames").mkdir(parents=True)
    (tmp_path / "small").mkdir()
    link = tmp_path / "small" / "frames"
    link.symlink_to(tmp_path / "large" / "frames")
    for fingerprint in ("first", "second"):
        with resumable_folder(link, fingerprint, MARKER) as folder:
            assert folder.parent == tmp_path / "large"
            (folder / FINISHED).write_text(fingerprint)
        assert link.is_symlink()
        assert [path.name for path in link.parent.iterdir()] == ["frames"]
        assert [path.name for path in (tmp_path / "large").iterdir()] == ["frames"]
        assert (link / FINISHED).read_text() == fingerprint


def test_a_folder_that_another_process_fills_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.0)
    with resumable_folder(tmp_path / "out", "first", MARKER) as folder:
        (folder / FINISHED).write_text("first")
        with (
            pytest.raises(UserError, match="out: another process is filling it"),
            resumable_folder(tmp_path / "out", "second", MARKER),
        ):
            pass
    assert (tmp_path / "out" / FINISHED).read_text() == "first"
    with resumable_folder(tmp_path / "out", "second", MARKER) as folder:
        (folder / FINISHED).write_text("second")
    assert (tmp_path / "out" / FINISHED).read_text() == "second"


def test_a_folder_that_cannot_be_made_is_told_by_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.0)
    (tmp_path / ".out.partial").write_text("a file")
    for path, reason in ((Path("/proc/out"), FileNotFoundError), (tmp_path / "out", FileExistsError)):
        with pytest.raises(reason), resumable_folder(path, "same", MARKER):
            pass


def test_a_folder_to_be_locked_that_is_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").symlink_to("gone")
    said = "checkpoints: is a link to gone, which is not there; make it, or remove the link"
    with pytest.raises(UserError, match=said), locks.alone(tmp_path / "checkpoints", "busy"):
        pass


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


def test_a_worker_that_runs_out_of_memory_is_told_and_what_waits_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "usable_workers", lambda: 1)
    lacking = pytest.raises(WorkerKilledError, match=r"test: a worker process .* ran out of memory; run the same comm")
    with lacking, resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        map_resumably("test", square_but_lack_memory, ITEMS, folder)
    assert len(tries(tmp_path / ".out.partial")) < len(ITEMS) - 1


def count_workers(number: int, folder: Path) -> Record:
    time.sleep(0.2)
    return {"workers": len(psutil.Process(os.getppid()).children())}


def test_no_more_workers_start_than_there_are_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "usable_workers", lambda: 5)
    before = len(psutil.Process().children())
    (record,) = map_resumably("test", count_workers, ITEMS[:1], tmp_path)
    assert record["workers"] - before == 1


def outlive(number: int, folder: Path) -> Record:
    (folder / f"{number}.pid").write_text(str(os.getpid()))
    time.sleep(60)
    raise AssertionError("nobody ended this")


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=map_resumably, args=["test", outlive, ITEMS, tmp_path])
    process.start()
    deadline_s = time.monotonic() + 60
    while not (started := list(tmp_path.glob("*.pid"))) or not all(path.read_text() for path in started):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    workers = [psutil.Process(int(path.read_text())) for path in started]
    process.kill()
    assert not psutil.wait_procs(workers, timeout=10)[1]


def write_square(number: int, folder: Path) -> Record:
    (folder / f"{number}.txt").write_text(str(number * number))
    return square(number, folder) | {"sha256": sha256_of_file(folder / f"{number}.txt"), "number": number}


def write_square_but_damage_the_first(number: int, folder: Path) -> Record:
    damaged = folder / ".damaged"  # a new file, as editors write it
    damaged.write_text("damaged")
    damaged.replace(folder / "1.txt")
    return write_square(number, folder)


def made(record: Record) -> dict[str, str] | None:
    return {f"{record['number']}.txt": record["sha256"]} if record["number"] != 5 else None


def written(tmp_path: Path, numbers: list[int], *, stumble: bool = False) -> dict[str, int]:
    """Write squares of numbers, which are taken over from an earlier result; return which were made anew."""
    with resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        items = [(str(number), number) for number in numbers]
        records = map_resumably("test", write_square, items, folder, Reuse(tmp_path / "out", made))
        assert [record["square"] for record in records] == [number * number for number in numbers]
        if stumble:
            raise RuntimeError("stumbled")
        done = tries(folder)
        keep_only(folder, {f"{number}.txt" for number in numbers} | {FINISHED})
        (folder / FINISHED).touch()
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {f"{number}.txt" for number in numbers} | {FINISHED}
    assert all((tmp_path / "out" / f"{number}.txt").read_text() == str(number * number) for number in numbers)
    return done


def test_what_an_earlier_result_has_is_taken_over(tmp_path: Path) -> None:
    assert set(written(tmp_path, [1, 2, 3, 5])) == {"1", "2", "3", "5"}
    assert set(written(tmp_path, [1, 3, 4, 5])) == {"4", "5"}  # what 5 made is never used again
    assert set(written(tmp_path, [1, 2])) == {"2"}


def test_files_of_an_earlier_result_that_were_changed_are_made_again(tmp_path: Path) -> None:
    written(tmp_path, [1, 2, 3])
    (tmp_path / "out" / "1.txt").write_text("damaged")
    (tmp_path / "out" / "2.txt").unlink()
    assert set(written(tmp_path, [1, 2, 3])) == {"1", "2"}


def test_files_are_read_only_if_they_may_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, [1, 2, 3])
    (tmp_path / "out" / "2.txt").touch()
    read = list[str]()

    def watched(path: Path) -> str:
        read.append(path.name)
        return sha256_of_file(path)

    monkeypatch.setattr(resumable, "sha256_of_file", watched)
    assert written(tmp_path, [1, 2, 3]) == {}
    assert read == ["2.txt"]


def test_a_file_that_was_changed_while_others_were_made_is_made_again(tmp_path: Path) -> None:
    written(tmp_path, [1, 2])
    with resumable_folder(tmp_path / "out", "same", MARKER) as folder:
        items = [("1", 1), ("damaging", 3)]
        map_resumably("test", write_square_but_damage_the_first, items, folder, Reuse(tmp_path / "out", made))
        (folder / FINISHED).touch()
    assert (tmp_path / "out" / "1.txt").read_text() == "damaged"
    assert set(written(tmp_path, [1, 2])) == {"1", "2"}


def test_damaged_records_are_made_again_and_the_others_taken_over(tmp_path: Path) -> None:
    written(tmp_path, [1, 2])
    kept = tmp_path / ".out.records"
    content = json.loads(kept.read_text())
    content["records"]["1"] = "abc"
    kept.write_text(json.dumps(content))
    assert set(written(tmp_path, [1, 2])) == {"1"}


@pytest.mark.parametrize("content", ["{", "[1]", "7", '{"1": {}}', '{"records": null, "stamps": {}}', None])
def test_an_earlier_result_without_readable_records_is_none(tmp_path: Path, content: str | None) -> None:
    written(tmp_path, [1, 2])
    records = tmp_path / ".out.records"
    records.unlink()
    if content is not None:
        records.write_text(content)
    assert set(written(tmp_path, [1, 2])) == {"1", "2"}


def test_an_unfinished_folder_keeps_its_items_when_one_joins(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stumbled"):
        written(tmp_path, [1, 2], stumble=True)
    (tmp_path / ".out.partial" / "1.txt").write_text("damaged")
    assert written(tmp_path, [1, 2, 3]) == {"1": 2, "2": 1, "3": 1}
