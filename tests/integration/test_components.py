"""The components for the pipelines of others: complete, described, and at work in a pipeline that is not ours."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kfp import components, dsl
from kfp.compiler import Compiler

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json
from fabgan.pipeline.commands.components import write_components
from fabgan.pipeline.definitions import catalogue
from fabgan.pipeline.definitions.catalogue import CATALOGUE
from fabgan.pipeline.definitions.parameters import RUN_ID
from tests.conftest import RENDERED, section
from tests.database import database_in

pytestmark = pytest.mark.integration
IMAGE = "registry.fab.example/fabgan:1"
NAMES = [entry.name for entry in CATALOGUE]
VERSION = re.compile(r">=\d+\.\d+\.\d+")
RUN = """
import sys
from kfp import components, dsl, local
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1])
step = components.load_component_from_file(sys.argv[2])
import json
print(step(params=json.loads(sys.argv[3])).outputs["frames"].path)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "components"
    write_components(IMAGE, ["vision"], folder)
    return folder


def folder_of(written: Path, name: str) -> Path:
    (folder,) = written.glob(f"*/{name}")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_holds_what_pipelines_components_asks_for(name: str, written: Path) -> None:
    """Its schema of metadata.yaml: https://github.com/kubeflow/pipelines-components, scripts/validate_metadata."""
    folder = folder_of(written, name)
    assert folder.parent.name in ("data_processing", "training", "evaluation", "deployment")
    assert sorted(path.name for path in folder.iterdir()) == ["OWNERS", "README.md", "component.yaml", "metadata.yaml"]
    metadata = yaml.safe_load((folder / "metadata.yaml").read_text())
    assert metadata.keys() == {"name", "stability", "dependencies", "tags", "lastVerified"}
    assert (metadata["name"], metadata["stability"] in ("alpha", "beta")) == (name, True)
    (needed,) = metadata["dependencies"]["kubeflow"]
    assert (needed["name"], bool(VERSION.fullmatch(needed["version"]))) == ("Pipelines", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", metadata["lastVerified"])
    assert yaml.safe_load((folder / "OWNERS").read_text()) == {"approvers": ["vision"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_describes_every_input_and_output(name: str, written: Path) -> None:
    folder = folder_of(written, name)
    spec = yaml.safe_load((folder / "component.yaml").read_text())["components"][f"comp-{name.replace('_', '-')}"]
    declared = {
        field
        for side in ("inputDefinitions", "outputDefinitions")
        for kind in ("parameters", "artifacts")
        for field in spec[side].get(kind, {})
    }
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert {field for field, _, _ in rows} == declared
    assert all(len(description) > 10 for _, _, description in rows)


def test_the_readme_says_how_the_steps_of_a_run_meet_in_mlflow(written: Path) -> None:
    """As they do in our own pipelines: test_every_pod_is_limited_and_knows_its_secrets."""
    call = f'kubernetes.use_field_path_as_env(task, "FABGAN_RUN", "{RUN_ID}")'
    assert all(call in (folder_of(written, name) / "README.md").read_text() for name in NAMES)


def test_components_fit_together_in_a_pipeline_of_others(written: Path, tmp_path: Path) -> None:
    load = {
        name: components.load_component_from_file(str(folder_of(written, name) / "component.yaml")) for name in NAMES
    }

    def theirs(ingesting: dict, cropping: dict, training: dict) -> None:  # type: ignore[type-arg]
        frames = load["ingest"](params=ingesting).outputs["frames"]
        packages = load["crop_resize"](params=cropping, frames=frames).outputs["packages"]
        load["train"](params=training, gpus=0, packages=packages)

    Compiler().compile(dsl.pipeline(theirs), str(tmp_path / "theirs.yaml"))
    executors = yaml.safe_load((tmp_path / "theirs.yaml").read_text())["deploymentSpec"]["executors"]
    assert {executor["container"]["image"] for executor in executors.values()} == {IMAGE}


def test_a_component_runs_without_our_pipelines(written: Path, tmp_path: Path) -> None:
    source = tmp_path / "rendered.yaml"
    source.write_text(yaml.safe_dump(RENDERED))
    component = folder_of(written, "ingest") / "component.yaml"
    command = [sys.executable, "-W", "ignore", "-c", RUN, tmp_path / "root", component]
    environment = os.environ | {"MLFLOW_TRACKING_URI": database_in(tmp_path)}
    done = subprocess.run(
        [*map(str, command), json.dumps(section("ingest", source=str(source)))],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    frames = Path(done.stdout.splitlines()[-1])
    assert len(read_json(frames / "manifest.json")["images"]) == RENDERED["frames"]


def test_the_day_of_a_local_run_is_not_that_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {entry.name: entry.stability for entry in CATALOGUE}
    monkeypatch.setattr(catalogue, "LOCAL_DAY", catalogue.CLUSTER_DAY)
    assert {entry.name: entry.stability for entry in CATALOGUE} == before
    assert set(before.values()) == {"alpha", "beta"}


def test_writing_twice_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_components(IMAGE, ["vision"], tmp_path / "again")
    files = [path.relative_to(written) for path in written.rglob("*") if path.is_file()]
    assert len(files) == 4 * len(NAMES) + 1
    assert all((tmp_path / "again" / file).read_bytes() == (written / file).read_bytes() for file in files)


@pytest.mark.parametrize(
    ("image", "owner", "words"), [("fabgan", "vision", "tag or a digest"), (IMAGE, " ", "--owner: expected the name")]
)
def test_what_cannot_be_written_is_refused(image: str, owner: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words):
        write_components(image, [owner], tmp_path / "out")
    assert not (tmp_path / "out").exists()
