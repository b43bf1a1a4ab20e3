"""The pages that people and Kubeflow's UI show: everything is in them, and what came of a run is not executed."""

import base64
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fabgan.components.artifacts.gallery import Gallery, Suspect
from fabgan.components.artifacts.pages.report import write_report
from fabgan.components.artifacts.verdict import Check, Sensitivity, Sight, Verdict, outcome_of
from fabgan.components.core.images import Pixels

GENERATED, HELD_OUT, TRAINED_ON = (0, 200, 0), (255, 0, 255), (0, 0, 255)
"""Colours by which pictures on a page are told apart."""
IDENTITY = {"model": "bga", "version": "7", "data_digest": "9" * 64}
HEADINGS = [
    "Identity",
    "Verdict",
    "Generated beside real",
    "Suspects",
    "Worst images",
    "By group",
    "Seams",
    "Losses",
    "Samples during training",
]
CHECK = Check(
    name="distance_patches",
    value=0.25,
    deviation=0.01,
    floor=0.125,
    at_least=None,
    at_most=0.5,
    decides="candidate",
    meaning="Lower is better.",
)


def of_colour(colour: tuple[int, int, int], size_px: int = 32) -> Tensor:
    """Return an image of one colour, C x H x W."""
    return torch.tensor(colour, dtype=torch.uint8)[:, None, None].repeat(1, size_px, size_px)


def noise(count: int, size_px: int) -> list[Tensor]:
    """Return images that are as hard to compress as can be."""
    stream = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, size_px, size_px), generator=stream, dtype=torch.uint8) for _ in range(count)]


def verdict_of(*checks: Check) -> Verdict:
    outcome, reasons = outcome_of(list(checks))
    return Verdict(
        outcome=outcome,
        reasons=reasons,
        checks=list(checks),
        weights_sha256="a" * 64,
        data_sha256="b" * 64,
        held_out_sha256="c" * 64,
        extractor="resnet18 0123",
        training_images=80,
        held_out_images=20,
        generated_images=1000,
        seed=3,
        groups={"class": {"missing_ball": {"useful_share": 0.75}, "good": {"recall": None}}},
    )


def gallery_of(size_px: int = 32) -> Gallery:
    generated, held_out, trained_on = (of_colour(colour, size_px) for colour in (GENERATED, HELD_OUT, TRAINED_ON))
    suspect = Suspect(generated, trained_on, 0.875, by_part=False)
    return Gallery([generated] * 4, [held_out] * 4, [suspect], [generated], torch.ones(8, 8))


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A report folder as train leaves it."""
    return write_training(tmp_path / "training")


def write_training(folder: Path) -> Path:
    (folder / "samples").mkdir(parents=True)
    for name in ("000000010", "000000020", "000000030", "000000040", "000000050"):
        Image.fromarray(np.full((600, 1200, 3), GENERATED, np.uint8)).save(folder / "samples" / f"{name}.png")
    write_losses(folder / "losses.csv", [[10, 1.0, 2.0], [20, 0.5, 2.5]])
    return folder


def write_losses(path: Path, rows: list[list[float]], names: tuple[str, str] = ("D", "G")) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["images", *names], *rows])


def page(
    folder: Path,
    verdict: Verdict | None = None,
    gallery: Gallery | None = None,
    training: Path | None = None,
    identity: Mapping[str, str] = IDENTITY,
    with_real: bool = True,
) -> str:
    """Return the text of a page."""
    verdict, gallery = verdict or verdict_of(CHECK), gallery or gallery_of()
    write_report(folder / "page.html", verdict, gallery, identity, training, with_real)
    return (folder / "page.html").read_text()


def pictures(text: str, alt: str = "") -> list[Pixels]:
    """Return the pixels of the pictures whose description has `alt` in it."""
    found = re.findall(r'<img[^>]* alt="([^"]*)" src="data:image/\w+;base64,([^"]*)"', text)
    chosen = [base64.b64decode(content) for description, content in found if alt in description]
    return [np.array(Image.open(io.BytesIO(content)).convert("RGB")) for content in chosen]


def has_colour(pixels: Pixels, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(pixels.astype(int) - colour).max(axis=-1) < 40).any())


def words(text: str) -> str:
    """Return what a person reads on a page."""
    body = re.sub(r"<[^>]*>", " ", text.split("<body>")[1])
    return re.sub(r"\s+", " ", body)


class Outline(HTMLParser):
    """The headings, ids and images of a page, and what is left open at its end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str | None] = []
        self.alts: list[str | None] = []
        self.scopes: list[str | None] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.levels += [int(tag[1])] if re.fullmatch(r"h[1-6]", tag) else []
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.alts += [attributes.get("alt")] if tag == "img" else []
        self.scopes += [attributes.get("scope")] if tag == "th" else []
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Shapes of SVG are closed where they begin."""


def test_a_page_says_what_came_out_and_why(tmp_path: Path) -> None:
    missed = replace(CHECK, name="largest_copy", value=0.75, decides="exportable", meaning="A copy has 1.")
    said = words(page(tmp_path, verdict_of(CHECK, missed)))
    assert "Report of bga, version 7 Candidate Its images may be used inside the fab" in said
    assert "Objections: largest copy 0.75 is above 0.5" in said
    assert "Needed to be a candidate distance patches Lower is better. 0.25 ± 0.01 0.125 at most 0.5 passed" in said
    assert "Needed to be exportable largest copy A copy has 1. 0.75 ± 0.01 0.125 at most 0.5 failed" in said
    assert f"data digest {'9' * 64}" in said
    assert f"SHA-256 of weights {'a' * 64}" in said
    assert "1000 generated (seed 3), 20 real held out, 80 real for training" in said
    assert "By class Class useful share recall missing ball 0.75 none good none none" in said.replace(
        "missing_ball", "missing ball"
    )
    assert "similarity 0.875" in said


@pytest.mark.parametrize(
    ("check", "outcome", "said"),
    [
        (CHECK, "Exportable", "at most 0.5 passed"),
        (replace(CHECK, value=0.75), "Refused", "at most 0.5 failed"),
        (replace(CHECK, value=None), "Refused", "not computed 0.125 at most 0.5 failed"),
        (replace(CHECK, at_least=0.2), "Exportable", "0.2 to 0.5 passed"),
        (replace(CHECK, at_least=0.3, at_most=None), "Refused", "at least 0.3 failed"),
        (replace(CHECK, at_most=None, floor=None, decides="nothing"), "Exportable", "0.25 ± 0.01 none none no limit"),
    ],
)
def test_a_check_passes_fails_or_is_only_shown(tmp_path: Path, check: Check, outcome: str, said: str) -> None:
    text = page(tmp_path, verdict_of(check))
    assert f"</svg> {outcome}</h1>" in text
    assert said in words(text)


def test_sections_are_in_order_and_those_without_content_are_left_out(tmp_path: Path, training: Path) -> None:
    def headings(text: str) -> list[str]:
        return re.findall("<h2>(.*)</h2>", text)

    assert headings(page(tmp_path, training=training)) == HEADINGS
    bare = replace(verdict_of(), groups={})
    assert headings(page(tmp_path, bare, Gallery([], []), identity={})) == ["Identity"]
    only_generated = Gallery([of_colour(GENERATED)], [])
    assert headings(page(tmp_path, bare, only_generated)) == ["Identity", "Generated images"]


def test_a_page_fetches_and_runs_nothing(tmp_path: Path, training: Path) -> None:
    text = page(tmp_path, training=training)
    for forbidden in ("http", "<script", "<link", "<a ", "@import", "@font-face", "javascript:"):
        assert forbidden not in text
    assert not re.search(r"\son\w+=", text)
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#ramp"}
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', text))


def test_a_page_shows_what_it_is_told_as_text(tmp_path: Path, training: Path) -> None:
    evil = "<b>&\"'"
    write_losses(training / "losses.csv", [[10, 1, 2]], (evil, "G"))
    verdict = verdict_of(replace(CHECK, name=evil, meaning=evil, value=None))
    text = page(
        tmp_path, replace(verdict, extractor=evil, groups={evil: {evil: {evil: 1.0}}}), None, training, {evil: evil}
    )
    assert "<b>" not in text
    assert text.count("&lt;b&gt;&amp;&#34;&#39;") == 13
    assert Outline(text).open == []


def test_a_page_is_well_formed_for_people_who_cannot_see_it(tmp_path: Path, training: Path) -> None:
    text = page(tmp_path, gallery=gallery_of(300), training=training)
    outline = Outline(text)
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert outline.open == []
    assert outline.levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))
    assert outline.levels.count(1) == 1
    assert all(outline.alts)
    assert all(outline.scopes)
    assert len(outline.ids) == len(set(outline.ids))


def test_pictures_of_all_sections_are_on_the_page(tmp_path: Path, training: Path) -> None:
    text = page(tmp_path, training=training)
    assert [len(pictures(text, alt)) for alt in ("Generated, image", "Real, held out", "suspect 1", "Easily told")] == [
        4, 4, 2, 1,
    ]  # fmt: skip
    assert [shown.shape for shown in pictures(text, "Samples after")] == [(512, 1024, 3)] * 3
    assert re.findall("<figcaption>Samples after (.*) real images", text) == ["10", "30", "50"]


def test_the_export_edition_holds_no_real_image(tmp_path: Path, training: Path) -> None:
    whole = pictures(page(tmp_path, gallery=gallery_of(300), training=training))
    export = page(tmp_path, gallery=gallery_of(300), training=training, with_real=False)
    for colour in (HELD_OUT, TRAINED_ON):
        assert any(has_colour(pixels, colour) for pixels in whole)
        assert not any(has_colour(pixels, colour) for pixels in pictures(export))
    assert export.count("data:image/") == len(pictures(export)) == 4 + 4 + 1 + 1 + 3
    assert "Export edition. This page holds no real image." in words(export)
    assert "<h2>Seams</h2>" not in export
    assert "similarity 0.875" in words(export)


def test_small_images_are_embedded_without_loss(tmp_path: Path) -> None:
    generated, real = noise(2, 64)
    text = page(tmp_path, gallery=Gallery([generated], [real[:1]]))
    (shown,), (grey,) = pictures(text, "Generated, image"), pictures(text, "Real, held out")
    assert (shown == generated.permute(1, 2, 0).numpy()).all()
    assert (grey[..., 0] == real[0].numpy()).all()
    assert "64 px wide, enlarged 8 times" in text


def test_a_page_of_many_large_images_stays_small_and_has_native_crops(tmp_path: Path) -> None:
    images = noise(12, 1024) * 6
    suspects = [Suspect(one, one, 0.5, by_part=True) for one in images[:12]]
    text = page(tmp_path, gallery=Gallery(images[:36], images[36:], suspects, images[:12], torch.rand(256, 256) + 0.5))
    assert len(text) < 12_000_000
    sides = {pixels.shape for pixels in pictures(text, ", image")}
    assert sides == {(256, 256, 3)}
    crops = pictures(text, "middle of image")
    assert len(crops) == 6
    assert (crops[0] == images[0][:, 384:640, 384:640].permute(1, 2, 0).numpy()).all()
    assert "1024 px wide, shrunk to 256 px" in text


def test_the_page_says_what_the_limits_see_and_marks_what_they_do_not(tmp_path: Path) -> None:
    sights = [Sight("blur_px", 2.0, 2.0, ["spectrum_db", "recall"]), Sight("tint_levels", None, 20.0, [])]
    text = page(tmp_path, replace(verdict_of(CHECK), sensitivity=Sensitivity(32, sights, "")))
    table = text.split("What the limits see")[1].split("</table>")[0]
    seen, unseen = table.split("tint levels")
    assert "32 held-out images" in seen
    assert "spectrum db, recall" in seen
    assert "not seen</span>" not in seen
    assert "not seen</span>" in unseen


def test_the_page_says_why_it_is_not_known_what_the_limits_see(tmp_path: Path) -> None:
    text = page(tmp_path, replace(verdict_of(CHECK), sensitivity=Sensitivity(0, [], "there are 3 held-out images")))
    assert "Not known: there are 3 held-out images." in text
