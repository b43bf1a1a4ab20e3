"""The Kubeflow pipelines as they run on this machine, in processes and in containers, beside `dvc repro`."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from fabgan.components.core.files import read_json, sha256_of_file
from fabgan.components.defects.card import load_card
from tests.conftest import PARAMETERS
from tests.projects import Project
from tests.servers.bucket import Bucket
from tests.tracing import THIS_MACHINE, Trace, addresses

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]
STEPS = ("ingest", "crop_resize", "train", "evaluate", "publish")
WEIGHTS = "generator.safetensors"


class Outcome:
    """What a run of the training pipeline left below its root."""

    def __init__(self, root: Path) -> None:
        self.folder = max(root.glob("fabgan-training-*"))

    def metrics(self, step: str) -> dict[str, float]:
        found: dict[str, float] = read_json(self.folder / step.replace("_", "-") / "metrics")
        return found

    @property
    def weights(self) -> str:
        return sha256_of_file(self.folder / "train" / "generator" / WEIGHTS)


def run_training(project: Project, runner: str, *more: str, image: str = "fabgan:0", under: str = "") -> Outcome:
    root = project.folder / "out" / runner
    run = f"fabgan pipeline run training --runner {runner} --image {image} --root {root} {' '.join(more)}"
    project.run(f"{under} {run}")
    return Outcome(root)


def trace_of(project: Project) -> Trace:
    return Trace(project.folder / "trace.txt")


def assert_same_as_repro(outcome: Outcome, reproduced: Project) -> None:
    for step in STEPS:
        assert outcome.metrics(step) == reproduced.metrics(step), step
    assert outcome.weights == sha256_of_file(reproduced.folder / "artifacts" / "generator" / WEIGHTS)


@pytest.fixture(scope="module")
def in_processes(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project where the training pipeline has run in processes, without any network interface that is up.

    There nothing can be reached, not even this machine; what is tried all the same is traced.
    """
    folder = tmp_path_factory.mktemp("processes") / "project"
    project = Project(Path(shutil.copytree(reproduced.folder, folder, symlinks=True)))
    run_training(project, "subprocess", under=f"unshare -rn {trace_of(project).under()}")
    return project


def test_processes_give_the_same_metrics_and_weights_as_dvc_repro(in_processes: Project, reproduced: Project) -> None:
    assert_same_as_repro(Outcome(in_processes.folder / "out" / "subprocess"), reproduced)
    page = in_processes.folder / "out" / "subprocess" / "report.html"
    assert re.search(r"<h1>.* Exportable</h1>", page.read_text(), re.DOTALL)


def test_another_command_takes_what_is_finished_and_records_it(in_processes: Project) -> None:
    root = in_processes.folder / "out" / "subprocess"
    before = Outcome(root)
    changed = "--set model_name=another"
    said = in_processes.run(
        f"fabgan pipeline run training --runner subprocess --image fabgan:0 --root {root} {changed}"
    )
    assert re.findall(r"Executing task \S*'([\w-]+)'", said) == ["settings", "evaluate", "publish", "finish"]
    assert Outcome(root).folder != before.folder
    assert Outcome(root).metrics("publish") == {"version": 1, "is_champion": 1, "is_new": 1}
    first, second = sorted(filter(is_a_pipeline, runs_in_mlflow(root)), key=lambda run: int(run.info.start_time))
    cached = [run for run in runs_in_mlflow(root) if run.data.tags.get("fabgan.cached") == "true"]
    assert {run.info.run_name for run in cached} == {"ingest", "crop_resize", "train"}
    assert {run.data.tags["mlflow.parentRunId"] for run in cached} == {second.info.run_id}
    assert {name: value for name, value in second.data.metrics.items() if name.startswith("train.")} == {
        f"train.{name}": value for name, value in before.metrics("train").items()
    }
    assert (first.info.status, second.info.status) == ("FINISHED", "FINISHED")


def runs_in_mlflow(root: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("fabgan")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def is_a_pipeline(run: Run) -> bool:
    return "fabgan.pipeline" in run.data.tags


@pytest.mark.parametrize(("pipeline", "task"), [("training", "train"), ("sweep", "train-one")])
def test_a_failing_step_ends_the_command_with_its_last_words_and_is_told_to_mlflow(
    pipeline: str, task: str, project: Project
) -> None:
    root, file = project.folder / "out", project.folder / "params.yaml"
    content = yaml.safe_load(file.read_text())
    content["train"]["batch_size"] = 1000
    file.write_text(yaml.safe_dump(content))
    failed = project.tried(f"fabgan pipeline run {pipeline} --runner subprocess --image fabgan:0 --root {root}")
    assert failed.returncode == 1
    assert f"Inner task failed: '{task}'" in failed.stderr
    assert "fabgan: error: train.batch_size: 1000 is more than the" in failed.stderr
    assert "Traceback" not in failed.stderr
    parents = list(filter(is_a_pipeline, runs_in_mlflow(root)))
    assert [run.info.status for run in parents] == ["FAILED"]
    assert "failed" in parents[0].data.tags["fabgan.failure"]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("image_size_px=48", "image_size_px: "),
        ("model_name=a/b", "model_name: expected a name"),
        ("pod_gpus=2", "train.variant: paper trains in one process"),
    ],
)
def test_a_mistake_in_the_form_ends_the_first_task(mistake: str, words: str, project: Project) -> None:
    failed = project.tried(f"fabgan pipeline run training --runner subprocess --image fabgan:0 --set {mistake}")
    assert failed.returncode == 1
    assert "Inner task failed: 'settings'" in failed.stderr
    assert words in failed.stderr


def test_a_form_that_does_not_fit_is_one_line(project: Project) -> None:
    failed = project.tried("fabgan pipeline run training --runner subprocess --image fabgan:0 --set sed=2")
    assert failed.returncode == 1
    assert failed.stderr.startswith("fabgan: error: sed: unknown field of fabgan-training")
    assert len(failed.stderr.splitlines()) == 1


def test_two_processes_of_a_pod_train_and_what_is_refused_is_registered_without_an_alias(project: Project) -> None:
    file = project.folder / "params.yaml"
    content = yaml.safe_load(file.read_text())
    content["evaluate"]["max_distance"] = 0
    file.write_text(yaml.safe_dump(content))
    outcome = run_training(project, "subprocess", "--set pod_gpus=2 --set variant=seamless")
    assert outcome.metrics("train")["images"] == PARAMETERS["train"]["total_images"]
    assert outcome.metrics("evaluate")["passed"] == 0
    assert outcome.metrics("publish") == {"version": 1, "is_champion": 0, "is_new": 1}
    root = project.folder / "out" / "subprocess"
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    assert client.get_model_version("bga-generator", "1").tags["verdict"] == "refused"
    assert client.get_registered_model("bga-generator").aliases == {}
    assert [run.info.status for run in filter(is_a_pipeline, runs_in_mlflow(root))] == ["FINISHED"]


def test_a_sweep_compares_its_trainings_in_one_table(project: Project) -> None:
    root = project.folder / "out"
    asked = """--set 'variants=["seamless", "paper"]' --set 'seeds=[1, 2]' --set total_images=16"""
    project.run(f"fabgan pipeline run sweep --runner subprocess --image fabgan:0 --root {root} {asked}")
    text = (root / "report.html").read_text()
    rows = [re.findall(r"<td[^>]*>([^<]*)</td>", row) for row in text.split("<tr>")]
    assert sorted(row[:3] for row in rows if row) == [["64", "paper", "2"], ["64", "seamless", "2"]]
    runs = runs_in_mlflow(root)
    trainings = [f"variant={name} image_size_px=64 seed={seed}" for name in ("seamless", "paper") for seed in (1, 2)]
    names = {f"{step} {training}" for step in ("train", "evaluate") for training in trainings}
    assert sorted(run.info.run_name for run in runs if "seed" in run.data.tags) == sorted(names)
    parent = next(filter(is_a_pipeline, runs))
    assert parent.info.status == "FINISHED"
    assert {key.split(".")[0] for key in parent.data.metrics} == {"ingest", "crop_resize"}


def test_annotated_photographs_become_a_judged_defect_model_in_the_registry(project: Project) -> None:
    """It was hardly trained, so whether it helps is left to chance. If it does, images are made."""
    root, source = project.folder / "out", yaml.safe_load((project.folder / "data" / "rendered.yaml").read_text())
    source |= {"masks": True, "frames": 48, "renderer": source["renderer"] | {"defect_share": 0.6}}
    (project.folder / "data" / "annotated.yaml").write_text(yaml.safe_dump(source))
    form = {"image_size_px": 128, "steps": 3, "runs": 2, "images": 5}
    asked = " ".join(f"--set {name}={value}" for name, value in form.items())
    project.run(f"fabgan pipeline run defects --runner subprocess --image fabgan:0 --root {root} {asked}")
    folder = max(root.glob("fabgan-defects-*"))
    card = load_card(folder / "train-defects" / "model")
    made = read_json(folder / "make-defects" / "metrics")
    assert made == {"images": form["images"] if card.recommended else 0}
    assert len(list((folder / "make-defects" / "images" / "images").glob("*.png"))) == made["images"]
    assert "What made defects add, by kind" in (root / "report.html").read_text()
    version = MlflowClient(f"sqlite:///{root}/mlflow.db").get_model_version("bga-defects", "1")
    assert version.tags["weights_sha256"] == card.weights_sha256
    parent = next(filter(is_a_pipeline, runs_in_mlflow(root)))
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["fabgan.outcome"].startswith(f"models:/bga-defects/1 {version.tags['verdict']}")
    names = {run.info.run_name for run in runs_in_mlflow(root) if "mlflow.parentRunId" in run.data.tags}
    assert names == {"ingest", "crop_resize", "train_defects"}


def test_shards_of_a_registered_model_fill_a_bucket(in_processes: Project, bucket: Bucket, tmp_path: Path) -> None:
    project = Project(in_processes.folder)
    registry = f"sqlite:///{project.folder}/out/subprocess/mlflow.db"
    project.environment |= bucket.server.environment | {"MLFLOW_TRACKING_URI": registry}
    asked = f"--set destination={bucket.url('set')} --set count=7 --set shards=3"
    command = f"fabgan pipeline run augmentation --runner subprocess --image fabgan:0 --root {tmp_path} {asked}"
    project.run(command)
    first = bucket.objects()
    project.run(f"fabgan augment --model models:/bga-generator@champion --count 7 --seed 1 --out {tmp_path / 'local'}")
    shown = json.loads(bucket.get("set/manifest.json"))
    assert [image["sha256"] for image in shown["images"]] == [
        sha256_of_file(tmp_path / "local" / image["file"]) for image in shown["images"]
    ]
    bucket.remove("set/000003.png")
    project.run(command)
    changed = {key for key, put in bucket.objects().items() if put != first[key] and key.endswith(".png")}
    assert changed == {"set/000003.png"}


def test_the_whole_run_tries_to_reach_nothing_but_this_machine(in_processes: Project) -> None:
    trace = trace_of(in_processes)
    assert trace.reached() <= THIS_MACHINE
    assert "AF_UNIX" in trace.file.read_text()  # something was traced


def test_a_trace_shows_whom_a_process_tried_to_reach() -> None:
    trace = (
        '1 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.1.2.3")}, 16) = -1\n'
        '1 connect(4, {sa_family=AF_INET6, inet_pton(AF_INET6, "fd00::1", &sin6_addr)}, 28) = -1\n'
        '1 sendto(5, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.9.9.9")}, 16) = 1\n'
    )
    assert addresses(trace) == {"10.1.2.3", "fd00::1", "10.9.9.9"}
