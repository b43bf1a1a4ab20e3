"""The pipeline as a person runs it: every command of the README, in a copy of the project with small parameters."""

import contextlib
import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fabgan.cli import main
from fabgan.components.core.files import sha256_of_file
from fabgan.components.steps import STEPS
from tests.conftest import PARAMETERS, RENDERED, write_params
from tests.guides import blocks_of
from tests.projects import Project
from tests.servers.bucket import Bucket
from tests.servers.mlflow_server import free_port, wait_for
from tests.tracing import THIS_MACHINE, Trace

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]
METRICS = ("kernel_distance", "kernel_distance_floor", "precision", "coverage", "ser1", "ser2", "copied_share")
TRIED_BY_CI = {"make run", "make test", "make lint", "make lock"}
"""`make test` is what runs this test; `make run` is `dvc repro` and `fabgan summary`, which are tried here."""
SERVER = "mlflow ui"
BEYOND_THE_README = [
    ("fabgan summary --metrics reports/metrics", 0),
    ("dvc version", 0),
    ("fabgan gather --out s3://empty/set --count 1", 1),
    ("fabgan defects --packages data/packages --size 64 --per-kind 1 --out out/defects", 1),
    ("fabgan train_defects --packages data/packages --size 64 --model artifacts/defects", 1),
    ("fabgan upload data s3://empty/set", 1),
    ("fabgan gc --mlflow --folder checkpoints --bucket empty --older-than 90", 1),
    ("fabgan backup backups --bucket empty", 1),
    ("fabgan restore backups --bucket empty", 1),
    ("fabgan pipeline components --owner vision --output out/components", 0),
    ("fabgan pipeline check --dump params.yaml --namespace a", 1),
    ("fabgan pipeline train-job --name a --namespace b --claim c --nodes 1 --gpus 0", 0),
    ("fabgan pipeline submit training --host http://127.0.0.1:9", 1),
]
"""Commands, and the status each ends with: there is no such bucket, no package is annotated, and at that port nobody
answers."""


def test_repro_leaves_metrics_reports_and_a_clean_tree(reproduced: Project) -> None:
    assert reproduced.metrics("evaluate").keys() >= set(METRICS)
    for page in ("report.html", "report_export.html"):
        assert "<h1>" in (reproduced.folder / "reports" / "evaluate" / page).read_text()
    tracked = reproduced.run("git ls-files").split()
    assert {f"reports/metrics/{step}.json" for step in PARAMETERS} <= set(tracked)
    results = [file for file in tracked if not file.startswith("docs/")]
    assert not [file for file in results if file.endswith((".png", ".jpg", ".safetensors", ".db"))]
    assert reproduced.run("git status --porcelain") == ""


def stages_run(output: str) -> list[str]:
    """Return the stages that `dvc repro` ran, but for the one that always runs."""
    return [stage for stage in re.findall(r"Running stage '(\w+)'", output) if stage != "code"]


def test_second_repro_runs_no_step(project: Project) -> None:
    output = project.run("dvc repro")
    assert "Stage 'publish' didn't change, skipping" in output
    assert stages_run(output) == []


def test_settings_of_another_variant_run_no_step(project: Project) -> None:
    train = PARAMETERS["train"]
    write_params(project.folder, PARAMETERS | {"train": train | {"seamless": train["seamless"] | {"ema_decay": 0.8}}})
    assert stages_run(project.tried("dvc repro").stdout) == []


def test_changed_training_parameter_runs_train_and_what_follows(project: Project) -> None:
    output = project.run("dvc exp run -S train.seed=2")
    assert stages_run(output) == ["train", "evaluate", "publish"]
    changed = json.loads(project.run("dvc metrics diff --json"))["reports/metrics/evaluate.json"]
    assert changed["kernel_distance"]["diff"] != 0
    assert project.metrics("publish")["version"] == 2


def test_photographs_of_ones_own_are_versioned_and_outlive_an_experiment(project: Project) -> None:
    photographs = project.folder / "data" / "photographs"
    for frame in sorted((project.folder / "data" / "frames" / "frames").glob("*.jpg")):
        lot = photographs / f"lot-{int(frame.stem[-5:]) // 4}"
        lot.mkdir(parents=True, exist_ok=True)
        shutil.copy(frame, lot)
    ingest = PARAMETERS["ingest"] | {"source": "data/photographs"}
    write_params(project.folder, PARAMETERS | {"ingest": ingest})
    project.run("dvc add data/photographs && dvc repro crop_resize && git add -A && git commit -qm photographs")
    assert "data/photographs.dvc" in project.run("dvc stage list --all")
    assert stages_run(project.run("dvc exp run -S crop_resize.margin_share=0.06 crop_resize")) == ["crop_resize"]
    assert len(list(photographs.rglob("*.jpg"))) == RENDERED["frames"]
    project.run("dvc push")
    shutil.rmtree(photographs)
    shutil.rmtree(project.folder / ".dvc" / "cache")
    project.run("dvc pull --allow-missing")
    assert len(list(photographs.rglob("*.jpg"))) == RENDERED["frames"]


def test_plots_show_samples_without_a_network(project: Project) -> None:
    project.run("dvc plots show")
    page = (project.folder / "dvc_plots" / "index.html").read_text()
    assert "http" not in page
    assert "<script" not in page
    assert "samples_beside_real.png" in page
    assert "000000064.png" in page


def test_push_and_pull_bring_everything_back(project: Project) -> None:
    before = sha256_of_file(project.folder / "artifacts" / "generator" / "generator.safetensors")
    project.run("dvc push")
    for lost in (".dvc/cache", "data/frames", "data/packages", "artifacts/generator", "reports/train"):
        shutil.rmtree(project.folder / lost)
    project.run("dvc pull --allow-missing")
    assert sha256_of_file(project.folder / "artifacts" / "generator" / "generator.safetensors") == before
    assert stages_run(project.run("dvc repro")) == []


def test_a_wrong_key_is_one_line_and_leaves_earlier_results(project: Project) -> None:
    parameters = PARAMETERS | {"train": PARAMETERS["train"] | {"bach_size": 8}}
    write_params(project.folder, parameters)
    weights = project.folder / "artifacts" / "generator" / "generator.safetensors"
    before = sha256_of_file(weights)
    failed = project.tried(
        "fabgan train --packages data/packages --checkpoints checkpoints --generator artifacts/generator "
        "--report reports/train --metrics reports/metrics/train.json"
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith("fabgan: error: params.yaml: train.bach_size: unknown key (known here: ")
    assert len(failed.stderr.splitlines()) == 1
    assert sha256_of_file(weights) == before


@pytest.mark.parametrize("content", ["", "words"])
def test_a_folder_without_photographs_is_one_line(project: Project, content: str) -> None:
    (project.folder / "photographs").mkdir()
    if content:
        (project.folder / "photographs" / "notes.txt").write_text(content)
    parameters = PARAMETERS | {"ingest": PARAMETERS["ingest"] | {"source": "photographs"}}
    write_params(project.folder, parameters)
    failed = project.tried("fabgan ingest --output data/frames --metrics reports/metrics/ingest.json")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("fabgan: error: photographs: no photograph: ")
    assert "Traceback" not in failed.stderr
    assert (project.folder / "data" / "frames" / "manifest.json").is_file()


def readme_commands() -> list[str]:
    """Return every command in the README's shell blocks, without comments."""
    lines = [line.split("  #")[0].strip() for block in blocks_of("README.md") for line in block.splitlines()]
    return [line for line in lines if line]


def test_every_command_of_the_readme_works_and_reaches_nothing_but_this_machine(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "photographs" / "lot-1").mkdir(parents=True)
    shutil.copytree(project.folder / "data" / "frames" / "frames", tmp_path / "photographs" / "lot-1" / "x")
    project.environment.pop("DVC_NO_ANALYTICS")
    project.environment.pop("FABGAN_REAL_DATA", None)  # other tests measure photographs
    reached = {}
    for number, command in enumerate(readme_commands()):
        if command in TRIED_BY_CI or command.startswith("git clone"):
            continue
        trace = Trace(tmp_path / f"{number}.txt")
        if SERVER in command:
            try_server(project, command, trace)
        else:
            project.run(f"{trace.under()} bash -c {shlex.quote(smaller(command, tmp_path))}")
        if command.startswith("fabgan preset"):
            project.run("git checkout -q params.yaml")
        reached[command] = trace.reached()
    assert {command: found for command, found in reached.items() if not found <= THIS_MACHINE} == {}


@pytest.mark.parametrize(("command", "status"), BEYOND_THE_README)
def test_commands_beyond_the_readme_reach_nothing_but_this_machine(
    command: str, status: int, project: Project, bucket: Bucket
) -> None:
    trace = Trace(project.folder / "trace.txt")
    project.environment |= bucket.server.environment
    done = project.tried(f"{trace.under()} {command}")
    assert done.returncode == status, done.stderr
    assert trace.reached() <= THIS_MACHINE


def test_every_command_is_traced() -> None:
    traced = [*readme_commands(), *(command for command, _ in BEYOND_THE_README), *map("fabgan {}".format, STEPS)]
    traced += ["fabgan code", "fabgan migrate"]  # they read and write files of this machine, and open no service
    words = {tuple(command.split()[1:3]) for command in traced if command.startswith("fabgan ")}
    assert {first for first, *_ in words} == set(subcommands([]))
    assert {word[1] for word in words if word[0] == "pipeline"} == set(subcommands(["pipeline"]))


def subcommands(above: list[str]) -> list[str]:
    """Return the commands that `fabgan` lists in its help, or a command of it in its own."""
    with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as said:
        main([*above, "--help"])
    return re.findall(r"^    (\w[\w-]*)", said.getvalue(), re.MULTILINE)


def smaller(command: str, folder: Path) -> str:
    """Return a command with the folder of photographs that is there, and fewer things to do."""
    command = command.replace("/path/to/photographs", str(folder / "photographs"))
    command = command.replace("/path/to/project", str(folder / "another-project"))
    command = re.sub(r"--frames \d+", "--frames 2", command)
    command = re.sub(r"--image-size [\d ]+", "--image-size 64 ", command)
    command = re.sub(r"--rounds \d+", "--rounds 1", command)
    command = re.sub(r"--seconds \d+", "--seconds 1", command)
    command = re.sub(r"--seeds [\d ]+", "--seeds 0 ", command)
    return command.replace(". .venv/bin/activate", "true")


def try_server(project: Project, command: str, trace: Trace) -> None:
    port = free_port()
    with subprocess.Popen(
        ["bash", "-c", f"exec {trace.under(server=True)} env {command} --port {port}"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}", process, timeout_s=120)
        finally:
            process.terminate()
