"""A fab that runs steps in a folder, with a registry of its own."""

import contextlib
import io
from collections.abc import Hashable, Mapping
from dataclasses import astuple
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fabgan.cli import main
from fabgan.components.artifacts.manifest import manifest_digest
from fabgan.components.artifacts.packages import Packages
from fabgan.components.artifacts.verdict import Sensitivity
from fabgan.components.core.files import read_json, sha256_of_file
from fabgan.components.core.progress import Progress
from fabgan.components.evaluate import step as evaluate
from fabgan.components.measures import evaluation
from fabgan.components.measures.extractors import Extractor
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.measures.real import Real, measure_real
from fabgan.components.measures.sensitivity import sensitivity_of
from tests.conftest import PARAMETERS, section, write_params
from tests.database import database_in

REAL: dict[Hashable, Real] = {}
SEEN: dict[Hashable, Sensitivity] = {}


def measured_once(packages: Packages, extractor: Extractor, seed: int, progress: Progress) -> Real:
    """Return what `measure_real` does. Most tests have the same packages, and these take longer than the generated."""
    key = manifest_digest(packages.folder), packages.size_px, extractor.sha256, seed
    if key not in REAL:
        REAL[key] = measure_real(packages, extractor, seed, progress)
    return REAL[key]


def seen_once(held_out: Packages, real: Real, extractor: Extractor, params: EvaluateParameters) -> Sensitivity:
    """Return what `sensitivity_of` does. It depends on the packages and the limits alone."""
    key = manifest_digest(held_out.folder), held_out.size_px, extractor.sha256, astuple(params)
    if key not in SEEN:
        SEEN[key] = sensitivity_of(held_out, real, extractor, params)
    return SEEN[key]


class Fab:
    """A folder where steps are run, by the function behind the command."""

    def __init__(self, folder: Path, packages: Path, tracking_uri: str | None) -> None:
        self.folder, self.packages = folder, packages
        self.uri = tracking_uri or database_in(folder)
        folder.mkdir(exist_ok=True)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def fabgan(self, *arguments: object) -> tuple[int, str]:
        """Return the exit status and what was said on standard error."""
        said = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", self.uri)
            patch.setattr(evaluation, "measure_real", measured_once)
            patch.setattr(evaluate, "sensitivity_of", seen_once)
            status = main([str(argument) for argument in arguments])
        return status, said.getvalue()

    def train_and_evaluate(self, **changes: Mapping[str, object]) -> None:
        """Train and evaluate with changed sections."""
        write_params(self.folder, PARAMETERS | {step: section(step, **values) for step, values in changes.items()})
        given = [f"--packages={self.packages}", "--generator=generator"]
        options = {
            "train": ["--checkpoints=checkpoints", "--report=report"],
            "evaluate": ["--training=report", "--report=evaluation"],
        }
        for step, paths in options.items():
            status, said = self.fabgan(step, *given, *paths, f"--metrics={step}.json")
            assert status == 0, said

    def try_to_publish(self) -> tuple[int, str]:
        """Publish; return the exit status and what was said on standard error."""
        given = [f"--packages={self.packages}", "--generator=generator", "--metrics=publish.json"]
        return self.fabgan("publish", *given, "--evaluation=evaluation", "--receipt=receipt.json", "--page=page.html")

    def train_and_publish(self, **changes: Mapping[str, object]) -> dict[str, float]:
        """Train, evaluate and publish with changed sections; return the metrics of publish."""
        self.train_and_evaluate(**changes)
        status, said = self.try_to_publish()
        assert status == 0, said
        metrics: dict[str, float] = read_json(self.folder / "publish.json")
        return metrics

    def tags(self, number: int) -> dict[str, str]:
        return dict(self.client.get_model_version("bga-generator", str(number)).tags)

    def aliases(self) -> dict[str, int]:
        """Return the number of the version that has each alias."""
        aliases = self.client.get_registered_model("bga-generator").aliases
        return {alias: int(number) for alias, number in aliases.items()}

    @property
    def versions(self) -> int:
        return len(self.client.search_model_versions("name = 'bga-generator'"))


def images_in(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of_file(path) for path in folder.glob("*.png")}
