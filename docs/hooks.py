"""What the documentation site needs beside mkdocs: pages of the top folder, and links that lead out of docs/."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
TOP = {
    "README.md": "getting_started.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages of the top folder, and their names on the site, where they lie beside those of docs/."""
HOME = {name: place for place, name in TOP.items()}
DOCS = "docs"
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`(?!\]))", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?\[([^]]*)\])\(([^)#\s]+)(#[^)]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder where the navigation names the folder."""
    config.nav = [_unfolded(item) for item in config.nav or []]
    return config


def _unfolded(item: Any) -> Any:
    ((title, value),) = item.items()
    if isinstance(value, list):
        return {title: [_unfolded(one) for one in value]}
    if not value.endswith("/"):
        return item
    found = sorted(path.relative_to(ROOT / DOCS).as_posix() for path in (ROOT / DOCS / value).glob("*.md"))
    return {title: sorted(found, key=lambda path: not path.endswith(("/index.md", "/README.md")))}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the top folder, and the colours of code."""
    for place, name in TOP.items():
        files.append(File.generated(config, name, content=(ROOT / place).read_text(encoding="utf-8")))
    colours = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    files.append(File.generated(config, "css/code.css", content=colours))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files that are not on the site into their text, and the others into links between its pages."""
    here = page.file.src_uri
    parts = CODE.split(markdown)
    parts[::2] = [LINK.sub(lambda match: _link(match, here, files), part) for part in parts[::2]]
    return "".join(parts)


def _link(match: re.Match[str], here: str, files: Files) -> str:
    shown, text, target, anchor = match.groups(default="")
    if "://" in target:
        return match.group()
    folder = posixpath.dirname(here)
    place = posixpath.normpath(posixpath.join("" if here in HOME else posixpath.join(DOCS, folder), target))
    if not (ROOT / place).exists():
        return match.group()  # mkdocs refuses it
    document = f"{place}/README.md" if (ROOT / place).is_dir() else place
    on_site = TOP.get(document, document.removeprefix(f"{DOCS}/"))
    if files.get_file_from_path(on_site) is None:
        return f"`{text}`" if text == place else f"{text} (`{place}`)"
    return f"{shown}({posixpath.relpath(on_site, folder or '.')}{anchor})"
