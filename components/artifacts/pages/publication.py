"""The page of a published generator: what was decided about it, and its measures beside the champion's."""

from collections.abc import Mapping
from pathlib import Path

from ..verdict import Verdict
from .render import render


def write_publication(
    path: Path,
    name: str,
    verdict: Verdict,
    aliases: list[str],
    decision: str,
    champion: Mapping[str, str] | None,
    champion_name: str = "",
) -> None:
    """Write the page of the version `name`. `champion` are the measures of the champion on the same images.

    Without `champion`, nothing was compared.
    """
    render(
        path,
        "publication.html.j2",
        name=name,
        verdict=verdict,
        aliases=aliases,
        decision=decision,
        champion_name=champion_name,
        rows=[(check, _measure(champion, check.name)) for check in verdict.checks],
        compared=champion is not None,
    )


def _measure(measures: Mapping[str, str] | None, name: str) -> float | None:
    return float(measures[name]) if measures and name in measures else None
