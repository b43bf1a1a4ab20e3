"""What the process of a step hands to the component that started it."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from fabgan.components.core.files import read_json
from fabgan.components.defects import registration
from fabgan.components.services.tracking.promotion import Publication
from fabgan.components.services.tracking.registry import Version
from fabgan.pipeline.pod import defects, process


class Metrics:
    """As much of Kubeflow's artifact as a component writes to."""

    def __init__(self, path: Path) -> None:
        self.path, self.logged = str(path), dict[str, float]()

    def log_metric(self, name: str, value: float) -> None:
        self.logged[name] = value


@pytest.mark.parametrize(("verdict", "aliases"), [("candidate", ["candidate", "champion"]), ("refused", [])])
def test_the_version_of_a_defect_model_is_told_as_it_was_registered(
    verdict: str, aliases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is not asked again: other publishers may have moved the aliases since."""
    version = Version("bga-defects", 3, {"verdict": verdict})
    done = SimpleNamespace(metrics={"auc_gain": 0.1}), Publication(version, True, True, "", aliases)
    monkeypatch.setattr(registration, "run", lambda *_: done)

    monkeypatch.setattr(defects, "supervised", lambda step, arguments: process.WORK[step](**arguments))
    section, metrics = {"size_px": 64, "steps": 1, "runs": 2, "seed": 0}, Metrics(tmp_path / "metrics")
    told = defects.train(section, metrics, "bga-defects", packages="packages", model="model")
    assert told == " ".join(["models:/bga-defects/3", verdict, *(f"@{alias}" for alias in aliases)])
    assert metrics.logged == read_json(tmp_path / "metrics") == {"auc_gain": 0.1}
