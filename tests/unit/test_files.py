from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import atomic_file, atomic_folder, json_marker, names_marker, read_json, write_json
from fabgan.components.core.resumable import resumable_folder


def fail(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError("killed")


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_file(path) as partial:
        fail(partial)
    assert read_json(path) == {"a": 1}
    assert [item.name for item in path.parent.iterdir()] == ["file.json"]


def test_a_full_disk_is_told_with_the_file_that_did_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as raised, atomic_file(tmp_path / "photo.png"):
        Path("/dev/full").write_text("too much")
    assert raised.value.filename == str(tmp_path / "photo.png")


def test_a_folder_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path, names_marker("first", ["first"])) as partial:
        (partial / "first").write_text("1")
    with pytest.raises(RuntimeError), atomic_folder(path, names_marker("first", ["first"])) as partial:
        fail(partial / "second")
    assert [item.name for item in path.iterdir()] == ["first"]
    with atomic_folder(path, names_marker("first", ["first"])) as partial:
        (partial / "third").write_text("3")
    assert [item.name for item in path.iterdir()] == ["third"]
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_what_a_killed_process_was_about_to_replace_comes_back(tmp_path: Path) -> None:
    """It was killed between the two renames of a replacement."""
    (tmp_path / ".folder.old").mkdir()
    (tmp_path / ".folder.old" / "first").write_text("1")
    for replacing in (
        atomic_folder(tmp_path / "folder", names_marker("first", ["first"])),
        resumable_folder(tmp_path / "folder", "same", names_marker("first", ["first"])),
    ):
        with pytest.raises(RuntimeError), replacing as partial:
            fail(partial / "second")
        assert (tmp_path / "folder" / "first").read_text() == "1"
        assert not (tmp_path / ".folder.old").exists()
        (tmp_path / "folder").rename(tmp_path / ".folder.old")


def test_what_is_left_of_an_earlier_result_does_not_come_back(tmp_path: Path) -> None:
    (tmp_path / ".folder.old").mkdir()
    (tmp_path / ".folder.old" / "second").write_text("1")
    with atomic_folder(tmp_path / "folder", names_marker("first", ["first"])) as partial:
        (partial / "first").write_text("2")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["first"]


@pytest.mark.parametrize("litter", [".DS_Store", "samples/Thumbs.db", ".nfs0001", ".ipynb_checkpoints/first"])
def test_what_file_managers_leave_makes_no_folder_somebody_elses(litter: str, tmp_path: Path) -> None:
    path = tmp_path / "folder" / litter
    path.parent.mkdir(parents=True)
    path.write_text("x")
    (tmp_path / "folder" / "first").write_text("1")
    marker = names_marker("first", ["first", "samples/"])
    assert not marker.objection(tmp_path / "folder")
    (tmp_path / "folder" / "DS_Store").write_text("x")
    assert marker.objection(tmp_path / "folder") == "DS_Store, which this command does not write"


def test_a_link_to_a_folder_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "report").symlink_to(tmp_path / "behind" / "report")
    for content in ("first", "second"):
        with atomic_folder(tmp_path / "report", json_marker("verdict.json", "said")) as folder:
            write_json(folder / "verdict.json", {"said": content})
    assert (tmp_path / "report").is_symlink()
    assert (tmp_path / "behind" / "report" / "verdict.json").read_text() == '{\n  "said": "second"\n}\n'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["behind", "report"]


def test_a_file_behind_a_link_is_left_as_it_is(tmp_path: Path) -> None:
    """DVC links files of its cache."""
    (tmp_path / "cached").write_text("old")
    (tmp_path / "manifest.json").symlink_to(tmp_path / "cached")
    with atomic_file(tmp_path / "manifest.json") as partial:
        partial.write_text("new")
    assert ((tmp_path / "cached").read_text(), (tmp_path / "manifest.json").read_text()) == ("old", "new")


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "data" / "photographs").mkdir(parents=True)
    (tmp_path / "data" / "photographs" / "one.jpg").write_text("1")
    (tmp_path / "file").write_text("2")
    for path in (tmp_path / "data", tmp_path / "file"):
        with (
            pytest.raises(UserError, match=r"holds something else \(no manifest"),
            atomic_folder(path, json_marker("manifest.json", "images")),
        ):
            pass
    assert (tmp_path / "data" / "photographs" / "one.jpg").read_text() == "1"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["data", "file"]


def test_broken_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(UserError, match=r"broken\.json: not valid JSON"):
        read_json(path)
    with pytest.raises(UserError, match=r"none\.json: cannot be read"):
        read_json(tmp_path / "none.json")
