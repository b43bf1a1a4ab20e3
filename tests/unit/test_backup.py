"""The folders of backups: their days, and what is left of one that was broken off."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fabgan.components.core import locks
from fabgan.components.core.errors import UserError
from fabgan.components.core.locks import alone
from fabgan.components.services import backup
from fabgan.components.services.backup import days, save
from fabgan.components.services.storage import StoredObject

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    (tmp_path / "mlflow.dump").write_text("database")
    return tmp_path / "mlflow.dump"


def backup_of(day: str, root: Path, dump: Path) -> Path:
    """Make a backup, and give it the name of a day."""
    return save(root, [], [dump], keep=3).folder.rename(root / day)


def test_a_backup_of_a_later_day_is_refused_and_nothing_is_deleted(tmp_path: Path, dump: Path) -> None:
    root = tmp_path / "backups"
    for day in ("2026-01-01", "2026-01-02"):
        backup_of(day, root, dump)
    later = f"{datetime.now(UTC) + timedelta(days=40):%Y-%m-%d}"
    backup_of(later, root, dump)
    with pytest.raises(UserError, match=rf"{later}: a backup of a later day .* the clock of this computer or of that"):
        save(root, [], [dump], keep=1)
    assert [day.name for day in days(root)] == ["2026-01-01", "2026-01-02", later]


def test_the_last_backups_are_kept_and_the_one_of_today_is_told(tmp_path: Path, dump: Path) -> None:
    root = tmp_path / "backups"
    for day in ("2026-01-01", "2026-01-02"):
        backup_of(day, root, dump)
    assert save(root, [], [dump], keep=2).folder == root / TODAY
    assert [day.name for day in days(root)] == ["2026-01-02", TODAY]


def test_a_backup_that_another_process_makes_is_left_to_it(
    tmp_path: Path, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.0)
    (tmp_path / "backups" / ".2020-01-01.partial").mkdir(parents=True)
    with alone(tmp_path / "backups", "taken"), pytest.raises(UserError, match="another backup is being made there"):
        save(tmp_path / "backups", [], [dump], keep=7)
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [".2020-01-01.partial"]


def test_only_unfinished_backups_are_removed(tmp_path: Path, dump: Path) -> None:
    root = tmp_path / "backups"
    for kept in (".frames.partial", ".2026-01-01-copy.partial", ".frames.old"):
        (root / kept).mkdir(parents=True)
    (root / ".x.partial").write_text("of somebody else")
    for gone in (".2026-01-01.partial", ".2026-01-02.partial"):
        (root / gone).mkdir()
    for day in [backup_of(name, root, dump) for name in ("2026-01-03", "2026-01-04")]:
        shutil.copytree(day, root / f".{day.name}.old")
    shutil.rmtree(root / "2026-01-03")
    names = {path.name for path in save(root, [], [dump], keep=3).folder.parent.iterdir()}
    kept_days = {"2026-01-03", "2026-01-04", TODAY}  # the replacement of the first one was killed, so it is back
    assert names == {".frames.partial", ".2026-01-01-copy.partial", ".frames.old", ".x.partial"} | kept_days


def test_a_backup_that_was_broken_off_is_continued_on_a_later_day(
    tmp_path: Path, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is a stub that breaks off; tests/integration has a real one."""
    root, fetched = tmp_path / "backups", list[str]()
    objects = [StoredObject("lots", f"{number}.png", 1, f"etag {number}") for number in range(4)]

    def download(item: StoredObject, to: Path) -> None:
        if item.key == "3.png" and len(fetched) < 4:
            fetched.append("broken off")
            raise UserError("the store does not answer")
        fetched.append(item.key)
        to.write_text(item.key)

    monkeypatch.setattr(backup, "list_objects", lambda bucket, prefix: list(objects))
    monkeypatch.setattr(backup, "download", download)
    monkeypatch.setattr(backup, "metadata_of", lambda item: {"sha256": item.key})
    with pytest.raises(UserError, match="does not answer"):
        save(root, ["lots"], [dump], keep=3)
    (root / f".{TODAY}.partial").rename(root / ".2026-01-01.partial")
    del objects[0]
    saved = save(root, ["lots"], [dump], keep=3)
    assert fetched == ["0.png", "1.png", "2.png", "broken off", "3.png"]
    assert (saved.objects, saved.fetched) == (3, 1)
    assert sorted(path.read_text() for path in (saved.folder / "objects").glob("*/*")) == ["1.png", "2.png", "3.png"]
    assert {path.name for path in saved.folder.iterdir()} == {"backup.json", "mlflow.dump", "objects"}
