"""The report page in a real browser: light and dark, in a narrow pane, with an enlarged picture, and printed."""

import html
import json
import re
import subprocess
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fabgan.components.artifacts.pages.report import write_report
from tests.manifests import need
from tests.unit.test_page import CHECK, IDENTITY, gallery_of, verdict_of, write_training

pytestmark = pytest.mark.integration

SCHEMES = {"dark": "--blink-settings=preferredColorScheme=0", "light": "--blink-settings=preferredColorScheme=1"}
PANE_PX = 360
PANE = """
<body style="margin:0">
<iframe sandbox="allow-same-origin" width="{width}" height="700" style="border:0" srcdoc="{page}"></iframe>
{script}
"""
"""A page in a pane, as Kubeflow's UI shows it. It runs no script. Windows of Chromium are at least 500 px wide."""
LOOK = """
<script>
function look(pane) {
    const whole = pane.document.documentElement, summary = whole.querySelector("summary");
    const width = () => summary.querySelector("img").getBoundingClientRect().width;
    const seen = {pane: pane.innerWidth, needed: whole.scrollWidth, small: width()};
    summary.focus();
    seen.focused = pane.document.activeElement === summary;
    summary.click();
    seen.large = width();
    summary.click();
    seen.closed = width();
    return seen;
}
onload = () => setTimeout(() => document.title = JSON.stringify(look(frames[0])), 500);
</script>
"""
CONTRAST = """
<script>
const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
const light = colour => numbers(colour).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
function behind(element) {
    const colour = getComputedStyle(element).backgroundColor;
    return numbers(colour)[3] === 0 ? behind(element.parentElement) : colour;
}
function contrast(element) {
    const style = getComputedStyle(element), colour = element instanceof SVGElement ? style.fill : style.color;
    const [dark, bright] = [light(colour), light(behind(element))].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
}
const written = [...document.querySelectorAll("body *:not(script)")].filter(element =>
    [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()));
document.title = JSON.stringify({texts: written.length, least: Math.min(...written.map(contrast))});
</script>
"""


def chromium(page: Path, *flags: str) -> str:
    """Open a page in headless Chromium; return what it prints."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=5000"]
    command = [need("chromium", "chromium"), *options, f"--user-data-dir={page.parent / 'profile'}", *flags]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def report_of(page: Path) -> dict[str, Any]:
    """Return what scripts of a test wrote into the title of a page."""
    (title,) = re.findall("<title>({.*})</title>", page.read_text())
    found: dict[str, Any] = json.loads(html.unescape(title))
    return found


def text_of(pdf: bytes) -> str:
    """Return the text of a PDF as each of its fonts reads it: letters of other fonts are wrong or missing."""
    streams = [_unpacked(stream) for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)]
    glyphs = re.findall("[0-9A-Fa-f]{4}", "".join(_shown(stream) for stream in streams if "BT" in stream))
    fonts = [_letters(stream) for stream in streams if "begincmap" in stream]
    return "\n".join("".join(letters.get(int(glyph, 16), "") for glyph in glyphs) for letters in fonts)


def _unpacked(stream: bytes) -> str:
    try:
        return zlib.decompress(stream).decode("latin-1")
    except zlib.error:
        return ""


def _shown(content: str) -> str:
    return "".join(re.findall(r"<([0-9A-Fa-f]+)>", content))


def _letters(cmap: str) -> dict[int, str]:
    """Return the letter of each glyph."""
    letters: dict[int, str] = {}
    for block in re.findall("beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        letters |= {int(glyph, 16): chr(int(code, 16)) for glyph, code in re.findall("<(.*?)> <(.{4})>", block)}
    for block in re.findall("beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, code in re.findall("<(.*?)> <(.*?)> <(.{4})>", block):
            glyphs = range(int(first, 16), int(last, 16) + 1)
            letters |= {glyph: chr(int(code, 16) + place) for place, glyph in enumerate(glyphs)}
    return letters


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with all sections."""
    path = tmp_path / "page.html"
    training = write_training(tmp_path / "training")
    write_report(path, verdict_of(CHECK), gallery_of(300), IDENTITY, training)
    return path


@pytest.mark.parametrize(("scheme", "darkest", "brightest"), [("light", 240, 255), ("dark", 0, 40)])
def test_the_page_follows_the_colour_scheme(page: Path, scheme: str, darkest: int, brightest: int) -> None:
    shown = page.with_suffix(".png")
    chromium(page, SCHEMES[scheme], "--window-size=1280,3000", f"--screenshot={shown}")
    pixels = np.array(Image.open(shown).convert("RGB"))
    assert darkest <= pixels[:, 0].min() <= pixels[:, 0].max() <= brightest
    generated, held_out = (
        (np.abs(pixels.astype(int) - colour) < 30).all(-1) for colour in ((0, 200, 0), (255, 0, 255))
    )
    assert generated.sum() > 10_000
    assert held_out.sum() > 10_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_can_be_read_in_both_schemes(page: Path, scheme: str) -> None:
    page.write_text(page.read_text().replace("</body>", f"{CONTRAST}</body>"))
    page.write_text(chromium(page, SCHEMES[scheme], "--dump-dom"))
    seen = report_of(page)
    assert seen["texts"] > 50
    assert seen["least"] >= 4.5


@pytest.mark.parametrize("width_px", [PANE_PX, 1100])
def test_the_page_fits_a_pane_and_its_pictures_open_there(page: Path, width_px: int) -> None:
    page.write_text(PANE.format(width=width_px, page=html.escape(page.read_text()), script=LOOK))
    page.write_text(chromium(page, "--dump-dom"))
    seen = report_of(page)
    assert seen["pane"] == seen["needed"] == width_px
    assert seen["focused"]
    assert seen["small"] < 200
    assert seen["large"] == 300
    assert seen["closed"] == seen["small"]


def test_the_page_prints_with_its_outcome(page: Path) -> None:
    printed = page.with_suffix(".pdf")
    chromium(page, f"--print-to-pdf={printed}")
    text = text_of(printed.read_bytes())
    assert "Exportable" in text
    assert "Result" in text
