"""Lots and products that look the same are the same, and names that may be mistaken for each other are warned of."""

import logging
from pathlib import Path

import pytest

from fabgan.components.ingest.lots import lot_of, warn_of_lots
from tests.unit.test_ingest import ingested, photographs

__all__ = ["photographs"]
LOT = "^([^/]+)/"
PRODUCT = "^((?P<product>[^/]+)/[^/]+)/"


@pytest.mark.parametrize(
    "folder",
    ["Pru\u0308fung 1", "Pr\u00fcfung\u00a01", "Pr\u00fcfung\u20091", "Pr\u00fc\u200bfung 1", "Pr\u00fcfung 1"],
)
def test_lots_and_products_are_told_apart_by_how_they_look(folder: str) -> None:
    assert lot_of(f"{folder}/a.png", LOT) == ("Pr\u00fcfung 1", "")
    assert lot_of(f"{folder}/lot/a.png", PRODUCT) == ("Pr\u00fcfung 1/lot", "Pr\u00fcfung 1")
    assert lot_of(f"{folder}/a.png", f"^({folder})/") == ("Pr\u00fcfung 1", "")


@pytest.mark.parametrize("name", [" lot  1 ", "Lot_1", "lot\t1"])
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert lot_of(f"{name}/a.png", LOT) == (name, "")


def test_a_photograph_without_a_lot_is_one_of_its_own() -> None:
    assert lot_of("a.png", LOT) == lot_of("a.png", "^(x)?") == ("a.png", "")


def test_names_that_differ_in_capitals_or_blanks_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    lots = ["BGA/lot-1", "BGA/Lot-1", "bga/lot 2", "bga/lot2", "bga/lot-3"]
    warn_of_lots((lot, lot.split("/")[0]) for lot in 2 * lots)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "ingest.lot_pattern: BGA/Lot-1 and BGA/lot-1; bga/lot 2 and bga/lot2 are different lots; correct them if they "
        "mean the same",
        "ingest.lot_pattern: BGA and bga are different products; correct them if they mean the same",
    ]


def test_a_lot_whose_name_is_written_in_two_ways_is_in_one_split(photographs: Path) -> None:
    """Some systems write an umlaut as one character, and others as a letter with a mark."""
    (photographs / "lot-0").rename(photographs / "Pr\u00fcfung")
    (photographs / "lot-1").rename(photographs / "Pru\u0308fung")
    for seed in range(4):
        manifest, _, metrics = ingested(photographs, seed=seed)
        split = {frame.split for frame in manifest.images if frame.lot == "Pr\u00fcfung"}
        assert (len(split), metrics["lots"], len(manifest.images)) == (1, 4, 20)
