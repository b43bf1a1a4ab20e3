"""What a person is told of a defect model: its page, and how its versions are compared."""

import html
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabgan.commands.train_defects import _table
from fabgan.components.core.parameters import parse
from fabgan.components.defects.card import Added, DefectCard
from fabgan.components.defects.page import write_page
from fabgan.components.defects.registration import better
from fabgan.components.measures.gains import Gain
from fabgan.components.services.tracking.registry import Version
from tests.unit.test_publication_page import words

NOTHING: dict[str, Any] = {"mean": 0.0, "low": 0.0, "high": 0.0}
LESS: dict[str, Any] = {"mean": -0.02, "low": -0.03, "high": -0.01}
GAINS: dict[str, Any] = {
    "pasted": {"images": {"mean": 0.02, "low": 0.01, "high": 0.03}, "places": NOTHING},
    "fitted": {"images": {"mean": 0.05, "low": -0.01, "high": 0.11}, "places": NOTHING},
    "both": {"images": NOTHING, "places": {"mean": 0.04, "low": 0.02, "high": 0.06}},
}
KIND: dict[str, Any] = {
    "kind": "missing_ball",
    "annotated": 9,
    "held_out": 4,
    "need": 0.625,
    "classical": {"images": 0.5, "places": 0.25},
    "gains": GAINS,
}
UNJUDGED: dict[str, Any] = {"kind": "<pit>", "annotated": 1, "held_out": 0, "need": 1.0, "classical": None, "gains": {}}
CARD = parse(
    DefectCard,
    {
        "format": 5,
        "config": {"channels": 3, "kinds": 2},
        "kinds": ["missing_ball", "<pit>"],
        "weights_sha256": "0123456789abcdef",
        "packages_sha256": "",
        "work_sha256": "",
        "size_px": 256,
        "steps": 600,
        "runs": 5,
        "seed": 1,
        "judged": [
            KIND | {"method": "both", "confirmed": {"images": LESS, "places": NOTHING}},
            UNJUDGED | {"method": "none", "confirmed": None},
        ],
        "confirmed": {name: {"mean": 0.0204, "low": 0.0101, "high": 0.0307} for name in ("auc", "places", "recall")},
        "harmed": ["missing_ball"],
        "by_amount": {
            "50": {"images": {"mean": 0.0104, "low": -0.0101, "high": 0.0307}, "places": NOTHING},
            "100": {"images": {"mean": 0.0234, "low": 0.0201, "high": 0.0267}, "places": NOTHING},
            "200": {"images": {"mean": 0.0304, "low": 0.0101, "high": 0.0507}, "places": NOTHING},
        },
    },
    "tests",
)
SHEET = np.zeros((8, 16, 3), np.uint8)


def test_the_page_says_what_each_kind_gains_and_what_was_confirmed(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", CARD, SHEET)
    text = words(tmp_path / "page.html")
    assert "So images of missing ball are recommended. Found worse with these images: missing ball." in text
    said, nothing = "+0.020 (+0.010 to +0.031)", "+0.000 (+0.000 to +0.000)"
    assert f"{said} in AUC, {said} in average precision of places, and {said} in recall at 1% false alarms." in text
    images = f"+0.020 (+0.010 to +0.030) +0.050 (-0.010 to +0.110) {nothing} -0.020 (-0.030 to -0.010)"
    places = f"{nothing} {nothing} +0.040 (+0.020 to +0.060) {nothing}"
    assert f"missing ball 9 4 0.62 both images 0.500 {images} places 0.250 {places}" in text
    assert "1 0 1.00 none not judged" in text
    assert "The surest gains are those of 100 images" in text
    assert f"50 +0.010 (-0.010 to +0.031) {nothing} 100 +0.023 (+0.020 to +0.027) {nothing} 200 +0.030" in text
    assert "The rows are missing ball, <pit>." in html.unescape(text)
    assert "<pit>" not in (tmp_path / "page.html").read_text()


def test_the_page_says_that_nothing_was_judged(tmp_path: Path) -> None:
    nothing = replace(
        CARD, judged=[replace(CARD.judged[1], kind=kind) for kind in CARD.kinds], confirmed={}, by_amount={}
    )
    write_page(tmp_path / "page.html", nothing, SHEET)
    assert nothing.images_recommended == 0
    assert "How many images" not in words(tmp_path / "page.html")
    assert "No help No images are recommended: no held-out package can judge them." in words(tmp_path / "page.html")


ABOVE, AROUND, BELOW = Gain(0.02, 0.001, 0.039), Gain(0.02, -0.001, 0.041), Gain(-0.02, -0.039, -0.001)


@pytest.mark.parametrize(
    ("images", "places", "helps"),
    [
        (ABOVE, AROUND, True),
        (AROUND, ABOVE, True),
        (Gain(0.0, 0.0, 0.0), ABOVE, True),
        (AROUND, AROUND, False),
        (ABOVE, BELOW, False),
        (BELOW, ABOVE, False),
    ],
    ids=["images", "places", "places, and all images are known", "chance", "places lose", "images lose"],
)
def test_a_model_helps_if_it_was_confirmed_to_gain_and_to_lose_nothing(
    images: Gain, places: Gain, helps: bool, tmp_path: Path
) -> None:
    assert Added(images, places).helps == helps
    card = replace(CARD, confirmed=CARD.confirmed | {"auc": images, "places": places})
    write_page(tmp_path / "page.html", card, SHEET)
    assert card.helps == helps
    assert ("So no images are recommended" in words(tmp_path / "page.html")) != helps
    assert card.recommended == ({"missing_ball": "both"} if helps else {})
    assert card.metrics["kinds_recommended"] == helps
    assert card.images_recommended == (100 if helps else 0)


def test_the_command_says_the_same_as_the_page() -> None:
    text = " ".join(_table(CARD).split())
    said = "+0.020 (+0.010 to +0.031)"
    assert "missing_ball images 0.500 +0.020 (+0.010 to +0.030) +0.050 (-0.010 to +0.110)" in text
    assert "<pit> images not judged not judged not judged <pit> places" in text
    assert f"200 images: recall at 1% false alarms {said} recommended: missing_ball found worse" in text
    assert text.endswith("found worse with these images: missing_ball")
    unsure = replace(CARD, confirmed=CARD.confirmed | {"auc": AROUND, "places": AROUND}, harmed=[])
    assert _table(unsure).endswith("recommended: none, because made defects were not shown to help\n")


def version(number: int, packages: str, gain: str, places: str = "0", card_format: str = "5") -> Version:
    tags = {"packages_sha256": packages, "auc_gain": gain, "places_gain": places, "card_format": card_format}
    return Version("bga-defects", number, tags)


@pytest.mark.parametrize(
    ("champion", "expected"),
    [
        (None, True),
        (version(1, "same", "0.01"), True),
        (version(1, "same", "0.03"), False),
        (version(1, "same", "0.01", places="0.02"), False),
        (version(1, "other", "0.03"), True),
        (version(1, "same", "0.03", card_format="4"), True),
    ],
    ids=[
        "no champion",
        "it gains less",
        "it gains more",
        "it gains more places",
        "other packages",
        "a card that is not read any more",
    ],
)
def test_a_model_becomes_champion_unless_the_champion_gains_more_on_the_same_packages(
    champion: Version | None, expected: bool
) -> None:
    assert better(version(2, "same", "0.02"), champion)[0] == expected
