"""Publish from many processes at once, and kill some: `python -m benchmarks.publishers --processes 16 --publishes 20`.

Starts an MLflow server. Publishers at once make versions of one model from tiny folders. Scores are drawn at random,
and lower is better. Some versions are refused, and some hold the same weights as others. A fifth of the publishers are
to be killed with SIGKILL: half of these at a random moment, which is mostly one of waiting, and half at a random moment
of their turn. At the end one more version, which is the worst, is published without a kill.

Prints one JSON line: what then lies in the registry. Progress goes to standard error.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path
from random import Random
from statistics import median
from threading import Lock, Timer
from typing import Literal

from fabgan.components.core.files import sha256_of_bytes, sha256_of_file, write_json
from fabgan.components.core.log import start_logging
from fabgan.components.core.progress import Progress
from fabgan.components.services.tracking.promotion import CHAMPION, DECISION, REFUSED, Publication, publish
from fabgan.components.services.tracking.registry import Registry, Version
from tests.servers.mlflow_server import running_mlflow

MODEL = "tiny"
WEIGHTS = "weights"
KILLED_SHARE = 0.2
REFUSED_SHARE = 0.1
REPEATED_SHARE = 0.1
WORST = 2.0
MESSAGES_OF_A_TURN = 20
MESSAGE_S = 0.05
COMPARISON_S = 0.2
FIRST_DURATION_S = 3.0

Death = Literal["", "at any moment", "at a message", "at a message of its turn"]


@dataclass(frozen=True)
class Task:
    """A version to publish. Its score is also the seed of its weights, so equal scores have equal weights."""

    score: float
    verdict: str = "candidate"
    death: Death = ""
    moment: float = 0.0
    """When it is killed: after this share of the usual duration, or before it sends the message of this number.

    The fraction of a number says how long after the message, as a share of MESSAGE_S.
    """


@dataclass(frozen=True)
class Outcome:
    """What lies in the registry."""

    versions: int
    whole: int
    """Versions that can be pulled completely, whose digest is right, and that have all tags."""
    undecided: int
    duplicates: int
    """Versions whose weights are those of another version."""
    lost: int
    """Scores whose publishers ended, but which have no version."""
    refused_with_alias: int
    champion: float | None
    best: float | None
    """The lowest score of a version that is not refused."""
    champion_is_best: bool


class DoomedRegistry(Registry):
    """A registry whose process is killed at a message of its turn."""

    def __init__(self, moment: float) -> None:
        super().__init__()
        self._moment = moment

    def find(self, name: str, tag: str, value: str) -> Version | None:
        """Count messages from here on, because a publisher does this first in its turn."""
        die_at_message(self._moment)
        return super().find(name, tag, value)


def die_at_message(moment: float) -> None:
    """Have this process killed at a later message to the server, as `Task.moment` says. A request is one or two."""
    left = int(moment)

    def count(event: str, _: tuple[object, ...]) -> None:
        nonlocal left
        if event != "http.client.send":
            return
        if left == 0 and moment % 1 == 0:
            _die()
        elif left == 0:
            Timer(moment % 1 * MESSAGE_S, _die).start()
        left -= 1

    sys.addaudithook(count)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def publish_tiny(uri: str, name: str, task: Task) -> Publication:
    """Publish a version of the model `name`, with two small files."""
    os.environ |= {"MLFLOW_TRACKING_URI": uri, "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
    registry = DoomedRegistry(task.moment) if task.death == "at a message of its turn" else Registry()
    import mlflow

    with tempfile.TemporaryDirectory() as temporary, mlflow.start_run():
        folder = Path(temporary)
        weights = Random(task.score).randbytes(20_000)  # noqa: S311
        (folder / WEIGHTS).write_bytes(weights)
        write_json(folder / "card.json", {"score": task.score})
        tags = {"weights_sha256": sha256_of_bytes(weights), "verdict": task.verdict, "score": str(task.score)}
        if task.death == "at a message":
            die_at_message(task.moment)
        return publish(registry, name, folder, tags, better)


def better(candidate: Version, champion: Version | None) -> tuple[bool, str]:
    """Compare the scores in the tags of two versions, which takes a while, as measuring does."""
    time.sleep(COMPARISON_S)
    if champion is None:
        return True, "there was no champion"
    theirs, ours = float(champion.tags["score"]), float(candidate.tags["score"])
    return ours < theirs, f"{ours} against {theirs} of version {champion.number}"


def draw_tasks(count: int, seed: int) -> list[Task]:
    """Draw tasks, of which the share KILLED_SHARE is to be killed."""
    random = Random(seed)  # noqa: S311
    killed = round(KILLED_SHARE * count)
    tasks: list[Task] = []
    for place in random.sample(range(count), count):
        score, verdict = random.random(), REFUSED if random.random() < REFUSED_SHARE else "candidate"
        if tasks and random.random() < REPEATED_SHARE:
            score, verdict = tasks[-1].score, tasks[-1].verdict
        if place >= killed:
            tasks.append(Task(score, verdict))
        elif place % 2:
            tasks.append(Task(score, verdict, "at any moment", random.uniform(0, 0.8)))
        else:
            tasks.append(Task(score, verdict, "at a message of its turn", random.uniform(0, MESSAGES_OF_A_TURN)))
    return tasks


class Storm:
    """Publishers of one model at once, each in a process of its own."""

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name = uri, name
        self.registry = Registry()  # also sets the variables that mlflow reads when it is imported
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["mlflow", "fabgan.components.services.tracking.promotion"])
        self.ended: list[Task] = []
        self.killed = 0
        self._durations_s = [FIRST_DURATION_S]
        self._asking = Lock()
        """A start asks for the exit codes of all processes. Of two threads that ask at once, one gets a wrong code."""

    def publish(self, tasks: list[Task], processes: int) -> None:
        """Publish all tasks; `processes` of them are at work at a time. Raises RuntimeError if one fails by itself."""
        progress = Progress("publishers", len(tasks), "publishes")
        with ThreadPoolExecutor(processes) as pool:
            for _ in pool.map(self._publish_one, tasks):
                progress.advance(1)

    def _publish_one(self, task: Task) -> None:
        process = self.context.Process(target=publish_tiny, args=[self.uri, self.name, task])
        started_s = time.monotonic()
        with self._asking:
            process.start()
        if task.death == "at any moment":
            wait([process.sentinel], task.moment * median(self._durations_s))
            process.kill()
        wait([process.sentinel])
        with self._asking:
            exitcode = process.exitcode
        if exitcode == 0:
            self.ended.append(task)
            self._durations_s.append(time.monotonic() - started_s)
        elif exitcode == -signal.SIGKILL and task.death:
            self.killed += 1
        else:
            raise RuntimeError(f"a publisher ended with {exitcode}: {task}")

    def outcome(self) -> Outcome:
        """Pull every version, and say what is there."""
        versions = self.registry.versions(self.name)
        champion = self.registry.with_alias(self.name, CHAMPION)
        accepted = [float(version.tags["score"]) for version in versions if version.tags["verdict"] != REFUSED]
        score, best = float(champion.tags["score"]) if champion else None, min(accepted, default=None)
        weights = {version.tags["weights_sha256"] for version in versions}
        scores = {float(version.tags["score"]) for version in versions}
        refused = [version for version in versions if version.tags["verdict"] == REFUSED]
        return Outcome(
            versions=len(versions),
            whole=sum(self._is_whole(version) for version in versions),
            undecided=sum(DECISION not in version.tags for version in versions),
            duplicates=len(versions) - len(weights),
            lost=len({task.score for task in self.ended} - scores),
            refused_with_alias=sum(bool(self.registry.aliases(version)) for version in refused),
            champion=score,
            best=best,
            champion_is_best=score == best,
        )

    def _is_whole(self, version: Version) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            self.registry.pull(version, Path(folder))
            names = sorted(path.name for path in Path(folder).iterdir())
            digest = sha256_of_file(Path(folder) / WEIGHTS)
        return names == ["card.json", WEIGHTS] and digest == version.tags["weights_sha256"]


def main() -> None:
    """Run the storm, and print what is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=16, help="publishers at a time (default: 16)")
    parser.add_argument("--publishes", type=int, default=20, help="publishes of each (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="seed of scores and kills (default: 1)")
    options = parser.parse_args()
    start_logging()
    started_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_mlflow(Path(folder) / "server", f"{folder}/server/artifacts") as uri,
    ):
        os.environ["MLFLOW_TRACKING_URI"] = uri
        storm = Storm(uri, MODEL)
        storm.publish(draw_tasks(options.processes * options.publishes, options.seed), options.processes)
        storm.publish([Task(WORST)], 1)
        outcome = asdict(storm.outcome())
    asked = {"processes": options.processes, "publishes": options.publishes, "killed": storm.killed}
    print(json.dumps(asked | outcome | {"elapsed_s": round(time.monotonic() - started_s, 1)}))


if __name__ == "__main__":
    main()
