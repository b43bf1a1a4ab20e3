"""The house: what depends on what, and that what is declared is true."""

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import fabgan
from fabgan.cli import main
from fabgan.commands.init import new_project
from fabgan.commands.preset import apply_preset
from fabgan.components.core.errors import UserError
from fabgan.components.core.provenance import code_of_module
from fabgan.components.defects import learning
from fabgan.components.steps import STEPS, load_parameters
from fabgan.components.train.parameters import TrainParameters, VariantName
from tests.conftest import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
CODE_STAGE = STAGES.pop("code")
OTHER_COMMANDS = ("augment", "gather", "code", "init", "migrate", "preset", "summary", "gc", "backup", "restore")
HEAVY = ("torch", "kfp", "mlflow", "dvc", "boto3", "cv2", "PIL", "pydantic", "numpy")


@pytest.mark.parametrize("step", STEPS)
def test_stage_depends_on_the_digest_of_its_code_and_lists_no_code(step: str) -> None:
    assert STAGES[step]["deps"][0] == f"artifacts/code/{step}"
    places = ("components", "model", "fabgan", "pipeline")
    assert not [dependency for dependency in STAGES[step]["deps"] if dependency.startswith(places)]


def test_the_digests_of_all_steps_are_made_anew_in_every_run() -> None:
    assert CODE_STAGE["always_changed"] is True
    outs = [next(iter(out)) for out in CODE_STAGE["outs"]]
    assert outs == [f"artifacts/code/{step}" for step in (*STEPS, "train_defects")]


def test_every_digest_is_written_where_dvc_looks_for_it(tmp_path: Path) -> None:
    assert main(["code", "--output", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {*STEPS, "train_defects"}
    assert (tmp_path / "train_defects").read_text() == f"{code_of_module(learning.__name__)}\n"


@pytest.mark.parametrize("step", STEPS)
def test_stage_depends_on_the_sections_of_the_parameters_that_its_step_reads(step: str) -> None:
    whole = [f"train.{field.name}" for field in fields(TrainParameters) if field.name not in get_args(VariantName)]
    of_training = [*sorted(whole), "train.${train.variant}"]
    assert sorted(STAGES[step]["params"]) == sorted(of_training if step == "train" else [step, *STEPS[step].reads])
    assert STAGES[step]["cmd"].startswith(f"fabgan {step} ")
    assert list(STAGES[step]["metrics"][0]) == [f"reports/metrics/{step}.json"]


def test_every_stage_is_a_step() -> None:
    assert list(STAGES) == list(STEPS)


@pytest.mark.parametrize(
    "arguments",
    [[], *([name] for name in [*STEPS, *OTHER_COMMANDS]), ["pipeline", "run"]],
)
def test_help_answers_without_heavy_imports(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom fabgan.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"finally:\n    sys.stderr.write(','.join(name for name in {HEAVY} if name in sys.modules))"
    )
    command = [sys.executable, "-c", program, *arguments, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("usage: fabgan")


@pytest.mark.parametrize(
    ("program", "forbidden"),
    [
        ("import fabgan; fabgan.__version__", HEAVY),
        ("import fabgan.cli", HEAVY),
        (
            "from pathlib import Path; from fabgan.components.steps import load_parameters; "
            "load_parameters(Path('params.yaml'))",
            ("torch", "cv2", "sklearn", "PIL", "numpy", "scipy", "mlflow", "kfp", "dvc", "boto3"),
        ),
        ("import fabgan.pipeline.pod.run", ("torch", "cv2", "sklearn", "PIL", "mlflow", "kfp", "dvc", "boto3")),
    ],
    ids=["the package", "the command line", "parameters", "a pod"],
)
def test_what_is_light_imports_nothing_heavy(program: str, forbidden: tuple[str, ...]) -> None:
    command = [sys.executable, "-X", "importtime", "-c", program]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in said.splitlines() if "|" in line}
    assert "fabgan" in imported
    assert not imported & set(forbidden)


def test_public_names_are_found_in_their_homes() -> None:
    for name in fabgan.__all__:
        assert getattr(fabgan, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        getattr(fabgan, "other")  # noqa: B009


def test_parameters_of_the_project_are_good() -> None:
    assert load_parameters(ROOT / "params.yaml").keys() == STEPS.keys()


def leaves(content: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return every value that is no mapping, as text, by its dotted name."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        flat |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": repr(value)}
    return flat


@pytest.mark.parametrize("preset", ["demo", "defects", "seamless", "paper"])
def test_presets_give_good_parameters_and_keep_the_comments(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text)
    apply_preset(path, preset)
    assert leaves(yaml.safe_load(text)["presets"][preset]).items() <= leaves(yaml.safe_load(path.read_text())).items()
    load_parameters(path)
    assert re.findall(r"#.*", path.read_text()) == re.findall(r"#.*", text)
    assert not re.findall(
        r":\s*['\"][0-9.]+(?:e-?[0-9]+)?['\"]\s*(?:#.*)?$", path.read_text().split("kubeflow:")[0], re.M
    )


@pytest.mark.parametrize("preset", ["seamless", "paper"])
def test_the_project_comes_as_its_demo_preset(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    before = load_parameters(path)
    apply_preset(path, preset)
    assert load_parameters(path) != before
    apply_preset(path, "demo")
    assert load_parameters(path) == before


def test_a_preset_is_written_whatever_the_form_of_the_file(tmp_path: Path) -> None:
    """DVC rewrites lists in block style and drops what it does not know of formats."""
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text.replace("  sizes_px: [128]\n", "  sizes_px:   # sides\n  - 64\n  - 128\n", 1))
    apply_preset(path, "seamless")
    assert load_parameters(path)["crop_resize"].sizes_px == (1024,)
    assert "&id" not in path.read_text()
    path.write_text(re.sub(r"^evaluate:\n(  .*\n)+", "evaluate:\n", text, flags=re.M))
    apply_preset(path, "paper")
    assert load_parameters(path)["evaluate"].max_ser == 1.05
    gpu_lines = [line for line in text.splitlines() if "operator: Exists" in line]
    assert gpu_lines == [line for line in path.read_text().splitlines() if "operator: Exists" in line]


def test_a_preset_with_a_misspelt_key_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text() + "  night: {train: {bach_size: 4}}\n"
    path.write_text(text)
    with pytest.raises(UserError, match=r"with the preset night: train.bach_size: unknown key"):
        apply_preset(path, "night")
    assert path.read_text() == text


@pytest.mark.parametrize("preset", ["{trainn: {seed: 5}}", "7", "{}", "{schema: 3}"])
def test_a_preset_that_would_set_nothing_is_refused(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text() + f"  bad: {preset}\n"
    path.write_text(text)
    with pytest.raises(UserError, match=r"presets.bad: expected sections with values, got: .* \(known: crop_resize"):
        apply_preset(path, "bad")
    assert path.read_text() == text


def test_a_preset_says_how_many_values_it_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text() + "  night: {train: {seed: 5, batch_size: 8}}\n")
    for changed in (1, 0):
        assert main(["preset", "night", "--params", str(path)]) == 0
        assert capsys.readouterr().out == f"{path}: preset night: {changed} value(s) changed; next: dvc repro\n"


def test_lock_file_pins_every_dependency() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", line) for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everything = [*project["dependencies"], *project["optional-dependencies"]["all"]]
    wanted = [re.split(r"[<>=\[]", name)[0] for name in everything]
    assert len(wanted) > 10
    assert set(wanted) <= pinned


def test_urllib3_is_new_enough_to_read_what_is_there() -> None:
    """Downloads use `read1`, and boto3 itself is content with an older urllib3."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "urllib3>=2.2.1" in project["dependencies"]


def written() -> list[str]:
    """Return every place that the pipeline writes to."""
    found = [
        "dvc.lock",
        "checkpoints/x",
        "mlflow.db",
        "mlruns/0",
        "mlartifacts/0",
        "out/x",
        ".dvc/cache/files",
        ".dvc/tmp/x",
    ]
    for stage in [CODE_STAGE, *STAGES.values()]:
        for entry in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
            found.append(entry if isinstance(entry, str) else next(iter(entry)))
    return found


def ignored(folder: Path, places: list[str]) -> set[str]:
    """Return those of the places that git ignores in a folder."""
    command = ["git", "-C", str(folder), "check-ignore", *places]
    return set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())


def test_nothing_that_the_demo_writes_shows_in_the_checkouts_git_status() -> None:
    """The demo's results differ from processor to processor: were they tracked, every run would change them."""
    assert ignored(ROOT, written()) == set(written())
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not set(tracked) & set(written())


def test_a_project_keeps_its_lock_and_metrics_in_git_and_its_data_out_of_it(tmp_path: Path) -> None:
    new_project(tmp_path / "project")
    kept = {"dvc.lock", *(f"reports/metrics/{step}.json" for step in STEPS)}
    assert ignored(tmp_path / "project", written()) == set(written()) - kept
    load_parameters(tmp_path / "project" / "params.yaml")


def test_a_project_is_not_made_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and is not an empty folder"):
        new_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_readmes_tree_names_every_folder() -> None:
    text = (ROOT / "README.md").read_text()
    tree = next(block for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL) if "params.yaml" in block)
    shown, above = set[str](), list[str]()
    for line in tree.splitlines():
        match = re.match(r"( *)(\S+)", line)
        assert match, line
        above = [*above[: len(match[1]) // 2], match[2].rstrip("/")]
        shown.add("/".join(above))
    assert [place for place in sorted(shown) if not (ROOT / place).exists()] == []
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {parent.as_posix() for file in tracked for parent in Path(file).parents if parent.name}
    assert {folder for folder in folders if folder.startswith(("model", "components", "pipeline", "fabgan"))} <= shown
    assert {folder.split("/")[0] for folder in folders} <= shown
