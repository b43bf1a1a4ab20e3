"""Publish a generator: register it, and decide whether it becomes champion, while others do the same.

Publishers take turns (`turns.py`). In its turn, a publisher does four things:

1. It registers its version, which appears with all its files and tags, or finds the one that has the same weights.
2. It gives the alias `candidate` to the newest version that is not refused.
3. It decides about the versions whose publishers were killed before their decision, in the order of their numbers.
4. It decides about its own. A decision compares a version with the champion of that moment.

The tag `champion_decision` is the last thing written about a version, and what has no such tag is decided again. So a
publisher may be killed at any moment. Once another publish has ended, the champion is the one that the decisions, one
after the other, lead to. A person who moves the alias `champion` in MLflow is respected: the next comparison is with
the version that was chosen.

What cannot be guaranteed: a killed publisher may have sent a request that MLflow carries out later, when others have
decided more. It can move an alias back, until the next publish moves it forward. It is recognised by the tag
`fabgan.promoting`, which a publisher sets before it moves the alias, and deletes afterwards. So a person who chooses a
version with this tag must delete the tag. A killed publisher that was giving changed tags to a known version leaves old
and new ones, and says so in `champion_decision`, until the version is published again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.errors import UserError
from ...core.log import logger
from .registry import Registry, Version
from .turns import Turn, turn

CANDIDATE = "candidate"
CHAMPION = "champion"
REFUSED = "refused"
WEIGHTS = "weights_sha256"
"""Tag by which a generator is known again."""
DECISION = "champion_decision"
PROMOTING = "fabgan.promoting"
PROMOTED = "fabgan.promoted"
"""Tag of a version that was made champion: 1 for the first one, 2 for the next."""

Better = Callable[[Version, Version | None], tuple[bool, str]]
"""Says whether a version should replace the champion, which may be None, and why. Neither of them is refused.

It is also asked about versions of other publishers, which were killed. A UserError then counts as no.
"""


@dataclass(frozen=True)
class Publication:
    """A published version, and what was decided about it."""

    version: Version
    is_new: bool
    is_champion: bool
    reason: str
    aliases: list[str]


def publish(
    registry: Registry, name: str, folder: Path, tags: Mapping[str, str], better: Better, identity: str = WEIGHTS
) -> Publication:
    """Register the files of `folder` as a version of the model `name`, and decide whether it becomes champion.

    `tags` must have `verdict` and `identity`, the tag by which a version is known again. Waits for other publishers.
    Raises UserError if others took this publisher for dead, and what `better` raises about this version.
    """
    registry.create_model(name)
    with turn(registry, name) as ours:
        known = registry.find(name, identity, tags[identity])
        if known is None:
            registry.register(name, folder, tags)
        first, *others = _without_duplicates(registry, name, identity, tags[identity])
        own = _renew(registry, first, tags)
        _point_candidate(registry, name)
        for version in others:
            if DECISION not in version.tags and "verdict" in version.tags:
                _decide(registry, ours, version, _lenient(better))
        is_champion, reason = _decide(registry, ours, own, better)
        return Publication(own, known is None, is_champion, reason, registry.aliases(own))


def _without_duplicates(registry: Registry, name: str, identity: str, value: str) -> list[Version]:
    """Delete undecided duplicates; return the version of this identity, and then all others by their numbers.

    A duplicate comes from a request that took effect twice, or after its sender was killed.
    """
    first: dict[str, Version] = {}
    for version in registry.versions(name):
        same = first.setdefault(version.tags.get(identity, f"version {version.number}"), version)
        if same is not version and DECISION not in version.tags:
            registry.delete(version)
    return [first.pop(value), *first.values()]


def _renew(registry: Registry, version: Version, tags: Mapping[str, str]) -> Version:
    """Leave a version undecided, with the tags of a later evaluation if there was one; return it with these tags."""
    if tags["verdict"] == REFUSED:
        for alias in registry.aliases(version):
            registry.drop_alias(version.name, alias)
    changed = {key: value for key, value in tags.items() if version.tags.get(key) != value}
    if changed:
        registry.tag(version, {DECISION: "its tags were being replaced; if this stays here, publish it again"})
        registry.tag(version, changed)
    if changed or DECISION in version.tags:
        registry.untag(version, DECISION)
    return replace(version, tags=version.tags | changed)


def _point_candidate(registry: Registry, name: str) -> None:
    accepted = [version for version in registry.versions(name) if version.tags.get("verdict", REFUSED) != REFUSED]
    _point(registry, name, CANDIDATE, accepted[-1] if accepted else None)


def _point(registry: Registry, name: str, alias: str, version: Version | None) -> None:
    """Give an alias to a version, or to none."""
    if version is None:
        registry.drop_alias(name, alias)
    else:
        registry.set_alias(version, alias)


def _lenient(better: Better) -> Better:
    def answer(candidate: Version, champion: Version | None) -> tuple[bool, str]:
        try:
            return better(candidate, champion)
        except UserError as error:
            return False, f"its publisher was killed, and another one could not compare it: {error}; publish it again"

    return answer


def _decide(registry: Registry, ours: Turn, version: Version, better: Better) -> tuple[bool, str]:
    """Decide about a version; return whether it is champion, and why."""
    champion = _champion(registry, version.name)
    if version.tags["verdict"] == REFUSED:
        is_champion, reason = False, f"the verdict is refused: {version.tags.get('verdict_reasons', '')}"
    elif champion is not None and champion.number == version.number:
        is_champion, reason = True, "it is the champion already"
    else:
        is_champion, reason = better(version, champion)
    if is_champion:
        _promote(registry, ours, version)
    ours.check()
    if is_champion and PROMOTING not in version.tags:  # else a killed publisher may yet move the alias here
        registry.untag(version, PROMOTING)
    registry.tag(version, {DECISION: reason})
    return is_champion, reason


def _promote(registry: Registry, ours: Turn, version: Version) -> None:
    """Make a version champion, and leave the tag PROMOTING."""
    last = _last_promoted(registry, version.name)
    place = str(1 + (_place(last) if last else 0))
    registry.tag(version, {PROMOTING: place})
    ours.check()
    registry.set_alias(version, CHAMPION)
    registry.tag(version, {PROMOTED: place})


def _champion(registry: Registry, name: str) -> Version | None:
    """Return the champion, after its alias was put right if a late request had moved it, or if it is refused."""
    champion, last = registry.with_alias(name, CHAMPION), _last_promoted(registry, name)
    is_last = champion is not None and last is not None and champion.number == last.number
    if champion and {PROMOTING, DECISION} <= champion.tags.keys() and not is_last:
        logger("publish").warning(
            "a late request of a killed publisher had made %s the champion, and this is undone. If it was a person, "
            "delete the tag %s of the version, and give it the alias once more",
            *(champion.uri, PROMOTING),
        )
        champion = last
        _point(registry, name, CHAMPION, champion)
    if champion and champion.tags.get("verdict") == REFUSED:
        champion = None
        _point(registry, name, CHAMPION, champion)
    return champion


def _last_promoted(registry: Registry, name: str) -> Version | None:
    """Return the version that was made champion last, or None."""
    return max((one for one in registry.versions(name) if PROMOTED in one.tags), key=_place, default=None)


def _place(version: Version) -> int:
    return int(version.tags[PROMOTED])
