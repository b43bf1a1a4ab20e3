"""The folders of backups: their days, and what is left of one that was broken off."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.services.backup import days, save

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
