"""Publishers of one model at once, in a real MLflow server: killed at any moment, with equal weights, refused."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from benchmarks.publishers import Storm, Task, better, draw_tasks
from fabgan.components.core.errors import UserError
from fabgan.components.services.tracking import turns
from fabgan.components.services.tracking.promotion import (
    CANDIDATE,
    CHAMPION,
    DECISION,
    PROMOTING,
    REFUSED,
    publish,
)
from fabgan.components.services.tracking.registry import Registry, Version
from fabgan.components.services.tracking.turns import turn
from tests.servers.mlflow_server import running_mlflow

pytestmark = pytest.mark.integration
WORST = Task(2.0)
ELSEWHERE = "another-computer/boot/1/1/1"
"""A process that is not visible here."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("publishers") / "server"
    with running_mlflow(folder, str(folder / "artifacts")) as uri:
        yield uri


@pytest.fixture
def storm(server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Storm:
    """A model without versions."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    return Storm(server, request.node.name)


def holder(storm: Storm, alias: str) -> float | None:
    """Return the score of the version that has an alias."""
    found = storm.registry.with_alias(storm.name, alias)
    return float(found.tags["score"]) if found else None


def version(storm: Storm, score: float) -> Version:
    return next(one for one in storm.registry.versions(storm.name) if one.tags["score"] == str(score))


def test_the_best_is_champion_after_a_storm_in_which_publishers_are_killed(storm: Storm) -> None:
    storm.publish(draw_tasks(24, seed=1), processes=6)
    assert storm.killed >= 3
    storm.publish([WORST], processes=1)
    outcome = storm.outcome()
    assert outcome.champion_is_best
    assert outcome.whole == outcome.versions >= 15
    assert (outcome.undecided, outcome.duplicates, outcome.lost, outcome.refused_with_alias) == (0, 0, 0, 0)
    assert not [tag for tag in storm.registry.model_tags(storm.name) if tag.startswith(turns.TICKET)]


def test_publishers_at_once_are_decided_one_after_the_other(storm: Storm) -> None:
    storm.publish([WORST], processes=1)
    storm.publish([Task(score) for score in (0.3, 0.5, 0.1, 0.6, 0.2, 0.4)], processes=6)
    best, *others = storm.registry.versions(storm.name)
    for one in others:
        assert one.tags[DECISION].endswith(f"against {best.tags['score']} of version {best.number}")
        best = min(best, one, key=lambda version: float(version.tags["score"]))
    assert holder(storm, CHAMPION) == 0.1


def test_a_publisher_may_be_killed_before_any_message(storm: Storm) -> None:
    """Each one is better than all before, and finds what the one before has left."""
    tasks = [Task(1 - moment / 100, death="at a message", moment=moment) for moment in range(0, 100, 3)]
    for task in tasks:
        killed = storm.killed
        storm.publish([task], processes=1)
        if storm.killed == killed:
            break
    assert storm.killed > 10
    outcome = storm.outcome()
    assert outcome.champion == task.score
    assert outcome.champion_is_best
    assert outcome.whole == outcome.versions > 5
    assert (outcome.undecided, outcome.duplicates) == (0, 0)


def test_equal_weights_published_at_once_are_one_version(storm: Storm) -> None:
    storm.publish([Task(0.5)] * 4, processes=4)
    assert storm.outcome().versions == 1
    assert storm.registry.aliases(version(storm, 0.5)) == [CANDIDATE, CHAMPION]


def test_a_refused_version_has_no_alias(storm: Storm) -> None:
    storm.publish([Task(0.1, REFUSED)], processes=1)
    assert (holder(storm, CANDIDATE), holder(storm, CHAMPION)) == (None, None)
    storm.publish([Task(0.5), Task(0.6), Task(0.2, REFUSED)], processes=1)
    assert (holder(storm, CANDIDATE), holder(storm, CHAMPION)) == (0.6, 0.5)
    assert version(storm, 0.2).tags[DECISION].startswith("the verdict is refused")


def test_a_version_that_is_evaluated_again_keeps_its_number(storm: Storm) -> None:
    storm.publish([Task(0.5), Task(0.5, REFUSED)], processes=1)
    assert storm.registry.aliases(version(storm, 0.5)) == []
    storm.publish([Task(0.5)], processes=1)
    assert storm.registry.aliases(version(storm, 0.5)) == [CANDIDATE, CHAMPION]
    assert [one.number for one in storm.registry.versions(storm.name)] == [1]


def test_a_late_request_is_undone_and_a_persons_choice_is_not(storm: Storm) -> None:
    storm.publish([Task(0.5), Task(0.4)], processes=1)
    former = version(storm, 0.5)
    storm.registry.set_alias(former, CHAMPION)
    storm.publish([Task(0.6)], processes=1)
    assert holder(storm, CHAMPION) == 0.5
    storm.publish([Task(0.3)], processes=1)
    storm.registry.tag(former, {PROMOTING: "1"})  # as a publisher leaves it that is killed while it moves the alias
    storm.registry.set_alias(former, CHAMPION)
    storm.publish([Task(0.7)], processes=1)
    assert holder(storm, CHAMPION) == 0.3


def files(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / "weights").write_bytes(content)
    return folder


def test_what_a_killed_publisher_left_is_decided_even_if_it_cannot_be_compared(storm: Storm, tmp_path: Path) -> None:
    def strict(candidate: Version, champion: Version | None) -> tuple[bool, str]:
        if candidate.tags["score"] == "0.4":
            raise UserError("the images are elsewhere")
        return better(candidate, champion)

    left = {"weights_sha256": "a", "verdict": "candidate", "score": "0.4"}
    own = {"weights_sha256": "b", "verdict": "candidate", "score": "0.5"}
    storm.registry.create_model(storm.name)
    with mlflow.start_run(experiment_id="0"):  # not in the experiment of another test's server
        for name in ("first", "second"):  # a request that took effect twice
            storm.registry.register(storm.name, files(tmp_path / name, b"a"), left)
        published = publish(storm.registry, storm.name, files(tmp_path / "own", b"b"), own, strict)
    assert (published.version.number, published.is_champion, published.aliases) == (3, True, [CANDIDATE, CHAMPION])
    assert [one.number for one in storm.registry.versions(storm.name)] == [1, 3]
    assert version(storm, 0.4).tags[DECISION].endswith("the images are elsewhere; publish it again")


@pytest.fixture
def registry(storm: Storm, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with the model, and publishers that are soon taken for dead."""
    monkeypatch.setattr(turns, "BEAT_S", 0.2)
    monkeypatch.setattr(turns, "SILENCE_S", 2.0)
    storm.registry.create_model(storm.name)
    return storm.registry


def test_a_publisher_on_another_computer_is_passed_over_when_it_is_silent(storm: Storm, registry: Registry) -> None:
    registry.tag_model(storm.name, f"{turns.TICKET}silent", f"1 {ELSEWHERE}")
    started_s = time.monotonic()
    with turn(registry, storm.name):
        assert time.monotonic() - started_s > turns.SILENCE_S
        assert f"{turns.TICKET}silent" not in registry.model_tags(storm.name)


def test_a_publisher_that_gives_signs_of_life_is_waited_for(
    storm: Storm, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "is_gone", lambda process: False)  # as if it were on another computer
    has_turn, may_leave, ended = threading.Event(), threading.Event(), []

    def work() -> None:
        with turn(registry, storm.name):
            has_turn.set()
            may_leave.wait(60)
            ended.append("first")

    first = threading.Thread(target=work)
    first.start()
    assert has_turn.wait(60)
    threading.Timer(3 * turns.SILENCE_S, may_leave.set).start()
    with turn(registry, storm.name):
        ended.append("second")
    first.join()
    assert ended == ["first", "second"]


def test_a_publisher_that_was_taken_for_dead_stops(storm: Storm, registry: Registry) -> None:
    with turn(registry, storm.name) as ours:
        ours.check()
        ours.remove(ours.key)
        with pytest.raises(UserError, match="other publishers went on without it"):
            ours.check()
