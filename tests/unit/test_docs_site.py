"""The documentation site: built in strict mode without a network, it fetches nothing and its links lead somewhere."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import ROOT

OFFLINE = """
import socket, sys

def refused(*arguments):
    raise OSError(f"the network was asked for: {arguments[1:]}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
from mkdocs.__main__ import cli
cli(sys.argv[1:])
"""
"""mkdocs as a program that no network answers."""
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
FETCHED = ("src", "srcset", "data", "poster", "background")
"""Attributes whose addresses a browser fetches by itself; of links in the head, `href` too."""


class Page(HTMLParser):
    """What a page has the browser fetch, where its links lead, and what links may lead to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched, self.links, self.anchors = set[str](), set[str](), {""}
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in FETCHED or (tag, name) == ("link", "href"):
                self.fetched.add(value or "")
            elif (tag, name) == ("a", "href"):
                self.links.add(value or "")
            elif name == "id":
                self.anchors.add(value or "")


def build(folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OFFLINE, "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc) or urlsplit(address).scheme in ("http", "https", "ftp")


def test_every_page_of_the_project_is_on_the_site(site: Path) -> None:
    documents = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert len(documents) > 10
    for document in [*documents, "getting_started.md", "contributing.md", "changelog.md", "security.md"]:
        path = site / document.replace("README.md", "index.md")
        assert path.with_suffix(".html").is_file(), document


def test_pages_fetch_nothing_from_elsewhere_and_all_that_they_fetch_is_there(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert len(page.fetched) > 3
        for address in page.fetched:
            assert not is_elsewhere(address), f"{path}: {address}"
            if path.name != "404.html":  # its addresses are those of a server's root
                assert (path.parent / urlsplit(address).path).is_file(), f"{path}: {address}"


def test_style_sheets_fetch_nothing_from_elsewhere(site: Path) -> None:
    sheets = sorted(site.rglob("*.css"))
    assert len(sheets) > 2
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        assert "@import" not in text
        for address in re.findall(r"url\(\s*[\"']?([^)\"']*)", text):
            assert address.startswith("data:") or not is_elsewhere(address), f"{sheet}: {address}"


def test_scripts_of_pages_load_no_other_scripts(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for script in re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL):
            assert "http" not in script, f"{path}: {script}"


def test_links_between_pages_lead_to_a_page_and_a_place_in_it(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in (link for link in page.links if not is_elsewhere(link)):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path}: {link}"
            if target in pages:
                assert unquote(parts.fragment) in pages[target].anchors, f"{path}: {link}"


def test_the_api_reference_has_the_modules_behind_the_links(pages: dict[Path, Page], site: Path) -> None:
    for name, anchor in (
        ("index", "fabgan.load_generator"),
        ("model", "fabgan.model.pixels.to_float"),
        ("model", "fabgan.model.paper.networks.PaperGenerator.forward"),
        ("shared", "fabgan.components.core.files.atomic_file"),
        ("steps", "fabgan.components.train.parameters.SeamlessSettings.r1_gamma"),
        ("pipeline", "fabgan.pipeline.pod.run.settings"),
        ("commands", "fabgan.commands.init.new_project"),
    ):
        assert anchor in pages[site / "api" / f"{name}.html"].anchors


def test_a_link_out_of_the_site_is_text(pages: dict[Path, Page], site: Path) -> None:
    page = pages[site / "air_gap.html"]
    assert "<code>deploy/images.yaml</code>" in page.text
    assert not [link for page in pages.values() for link in page.links if link.endswith((".yaml", ".py", ".md"))]


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        ("[somewhere](../data.md)", 0, ""),
        ("[nowhere](nowhere.md)", 1, "nowhere.md"),
        ("[nowhere](../../nowhere/params.yaml)", 1, "params.yaml"),
        ("[nowhere](../data.md#nowhere)", 1, "#nowhere"),
        ("::: fabgan.nowhere", 1, "fabgan.nowhere"),
    ],
)
def test_what_is_not_there_fails_the_build(words: str, status: int, complaint: str, tmp_path: Path) -> None:
    for name in ("mkdocs.yml", "fabgan", "deploy", *TOP):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for page in (tmp_path / "docs" / "api").glob("*.md"):
        page.unlink()
    (tmp_path / "docs" / "api" / "index.md").write_text(f"# API\n\n{words}\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == status, done.stdout + done.stderr
    assert complaint in done.stderr + done.stdout
