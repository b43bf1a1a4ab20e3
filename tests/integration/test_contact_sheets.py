"""MLflow shows the contact sheets of the steps that make images, also of a step that was refused."""

from pathlib import Path

import pytest

from fabgan.components.artifacts.contact import SHEET
from tests.conftest import PARAMETERS, section, write_params, write_rendered
from tests.fab import Fab

pytestmark = pytest.mark.integration


def sheets(fab: Fab) -> list[tuple[str, str]]:
    """Return the state of every run of a step with a contact sheet, and the path of the sheet."""
    (experiment,) = fab.client.search_experiments(filter_string="name = 'fabgan'")
    runs = fab.client.search_runs([experiment.experiment_id])
    listed = [(run, step) for run in runs for step in ("ingest", "crop_resize") if run.info.run_name == step]
    return sorted(
        (run.info.status, artifact.path)
        for run, step in listed
        for artifact in fab.client.list_artifacts(run.info.run_id, step)
    )


def test_mlflow_shows_the_sheet_of_a_step_that_was_refused_too(tmp_path: Path, packages: Path) -> None:
    fab = Fab(tmp_path, packages, None)
    write_rendered(tmp_path)
    write_params(tmp_path)
    assert fab.fabgan("ingest", "--output=frames", "--metrics=ingest.json")[0] == 0
    write_params(tmp_path, PARAMETERS | {"ingest": section("ingest", held_out_share=0.0)})
    status, said = fab.fabgan("ingest", "--output=again", "--metrics=again.json")
    assert (status, "0 held out" in said) == (1, True)
    assert sheets(fab) == [("FAILED", f"ingest/{SHEET}"), ("FINISHED", f"ingest/{SHEET}")]
