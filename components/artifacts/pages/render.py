"""Pages of HTML from templates. All text is escaped, because names and labels come from files of a run."""

from pathlib import Path

from ...core.files import atomic_file

TEMPLATES = Path(__file__).parent / "templates"


def render(path: Path, template: str, **content: object) -> None:
    """Write a page from a template of the folder `templates`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"in_words": in_words, "number": number, "signed": signed}
    with atomic_file(path) as partial:
        partial.write_text(environment.get_template(template).render(content), encoding="utf-8")


def in_words(name: str) -> str:
    """Return a name of the code as words: `diversity_nearest` becomes `diversity nearest`."""
    return name.replace("_", " ")


def signed(value: float) -> str:
    """Return a difference in three decimals, with its sign."""
    return f"{value:+.3f}"


def number(value: float | None) -> str:
    """Return a number in four digits, or `none`."""
    return "none" if value is None else f"{value:.4g}"
