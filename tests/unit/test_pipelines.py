"""The Kubeflow pipelines as they are compiled: the same every time, self-contained, with what a cluster needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp.compiler import Compiler

from fabgan.commands.pipeline import NAMES
from fabgan.components.core.errors import UserError
from fabgan.components.core.provenance import code_of
from fabgan.components.steps import STEPS
from fabgan.pipeline.commands.compile import PIPELINES, compile_pipelines, images_of, pipeline_of
from fabgan.pipeline.commands.form import chosen
from fabgan.pipeline.definitions.cluster import place_locally
from fabgan.pipeline.pod.form import FIELDS, checked_sections
from fabgan.pipeline.pod.sweeping import plan, trainings
from tests.conftest import ROOT

IMAGE = "registry.fab.local/fabgan@sha256:" + "0" * 64
PARAMS = ROOT / "params.yaml"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled") / "pipelines"
    compile_pipelines(IMAGE, PARAMS, folder)
    return folder


def documents(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the specification of a compiled pipeline, and what it says of Kubernetes."""
    spec, platform = yaml.safe_load_all((folder / f"{name}.yaml").read_text())
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_compiling_twice_gives_the_same_bytes(compiled: Path, tmp_path: Path) -> None:
    again = compile_pipelines(IMAGE, PARAMS, tmp_path / "again")
    assert len(again) == 2 * len(PIPELINES)
    for file in again:
        assert file.read_bytes() == (compiled / file.relative_to(tmp_path / "again")).read_bytes()


def test_nothing_is_fetched_when_a_pipeline_runs(compiled: Path) -> None:
    for file in compiled.rglob("*.yaml"):
        text = file.read_text()
        assert not re.search(r"pip3? install|pypi|docker\.io|gcr\.io|ghcr\.io|quay\.io|:latest", text), file
    assert images_of(compiled.rglob("*.yaml")) == {IMAGE}


@pytest.mark.parametrize("image", ["fabgan", "fabgan:latest", "registry.fab.local:5000/fabgan"])
def test_an_image_that_may_change_is_refused(image: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tag or a digest"):
        compile_pipelines(image, PARAMS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", PIPELINES)
def test_every_field_of_the_form_is_described(name: str, compiled: Path) -> None:
    fields = documents(compiled, name)[0]["root"]["inputDefinitions"]["parameters"]
    assert len(fields) > 5
    assert all(len(field["description"]) > 15 for field in fields.values())


def test_the_form_shows_the_values_of_the_parameters_file(compiled: Path) -> None:
    params = yaml.safe_load(PARAMS.read_text())
    fields = documents(compiled, "training")[0]["root"]["inputDefinitions"]["parameters"]
    assert fields["total_images"]["defaultValue"] == params["train"]["total_images"]
    assert fields["data_source"]["defaultValue"] == params["ingest"]["source"]
    assert fields["lot_pattern"]["defaultValue"] == params["ingest"]["lot_pattern"]
    assert fields["pod_size"]["defaultValue"] == params["kubeflow"]["size"]


def test_the_form_offers_the_sizes_of_the_parameters_file_and_explains_itself(compiled: Path) -> None:
    params = yaml.safe_load(PARAMS.read_text())
    for name in PIPELINES:
        spec = documents(compiled, name)[0]
        fields = spec["root"]["inputDefinitions"]["parameters"]
        assert fields["pod_size"]["literals"] == list(params["kubeflow"]["sizes"])
        assert spec["pipelineInfo"]["displayName"].startswith("fabgan: ")
        for field, declared in fields.items():
            described = " ".join(declared["description"].split())
            assert f"- **{field}**: {described}" in spec["pipelineInfo"]["description"]
    assert fields_in_order(compiled)[:3] == ["data_source", "data_version", "image_size_px"]


def fields_in_order(compiled: Path) -> list[str]:
    """Return the fields of the training form in the order in which Kubeflow shows them, which is the alphabet's."""
    return sorted(documents(compiled, "training")[0]["root"]["inputDefinitions"]["parameters"])


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pod_is_limited_and_knows_its_secrets(name: str, compiled: Path) -> None:
    spec, kubernetes = documents(compiled, name)
    executors = spec["deploymentSpec"]["executors"]
    assert executors.keys() == kubernetes.keys()
    for step, executor in executors.items():
        resources, pod = executor["container"]["resources"], kubernetes[step]
        assert {
            f"resource{one}{kind}" for one in ("Cpu", "Memory") for kind in ("Request", "Limit")
        } <= resources.keys()
        assert int(pod["activeDeadlineSeconds"]) > 0
        assert pod["securityContext"] == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
        assert [secret["secretName"] for secret in pod["secretAsEnv"]] == ["fabgan-s3", "fabgan-mlflow"]
        addresses, authority = pod["configMapAsEnv"]
        assert addresses["configMapName"] == authority["configMapName"] == "fabgan-endpoints"
        assert "MLFLOW_TRACKING_URI" in [key["envVar"] for key in addresses["keyToEnv"]]
        assert [key["envVar"] for key in authority["keyToEnv"]] == ["AWS_CA_BUNDLE", "MLFLOW_TRACKING_SERVER_CERT_PATH"]
        (folder,) = pod["configMapAsVolume"]
        assert (folder["configMapName"], folder["mountPath"]) == ("fabgan-ca", "/etc/fabgan-ca")
        assert authority["optional"] is folder["optional"] is True
        assert pod["imagePullSecret"][0]["secretName"] == "fabgan-registry"
        assert pod["fieldPathAsEnv"] == [{"name": "FABGAN_RUN", "fieldPath": "metadata.labels['pipeline/runid']"}]


def test_training_gets_gpus_shared_memory_and_tolerations(compiled: Path) -> None:
    spec, kubernetes = documents(compiled, "training")
    accelerator = spec["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]["accelerator"]
    assert accelerator["resourceType"] == "nvidia.com/gpu"
    assert "settings-gpus" in accelerator["resourceCount"]
    assert kubernetes["exec-train"]["emptyDirMounts"][0]["mountPath"] == "/dev/shm"
    assert kubernetes["exec-train"]["emptyDirMounts"][0]["medium"] == "Memory"
    assert kubernetes["exec-train"]["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert "emptyDirMounts" not in kubernetes["exec-evaluate"]


def test_a_checkpoint_claim_is_mounted_where_training_looks(tmp_path: Path) -> None:
    content = yaml.safe_load(PARAMS.read_text())
    content["kubeflow"] |= {"checkpoint_claim": "checkpoints", "gpu_node_selector": {"gpu": "large"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    compile_pipelines(IMAGE, tmp_path / "params.yaml", tmp_path / "out")
    spec, kubernetes = documents(tmp_path / "out", "training")
    assert kubernetes["exec-train"]["pvcMount"][0]["mountPath"] == "/checkpoints"
    assert kubernetes["exec-train"]["nodeSelector"]["labels"] == {"gpu": "large"}
    environment = spec["deploymentSpec"]["executors"]["exec-train"]["container"]["env"]
    assert {"name": "FABGAN_CHECKPOINTS", "value": "/checkpoints"} in environment
    others = [pod for name, pod in kubernetes.items() if name != "exec-train"]
    others += documents(tmp_path / "out", "defects")[1].values()
    assert not [pod for pod in others if {"pvcMount", "nodeSelector", "tolerations"} & pod.keys()]


def steps_in(compiled: Path) -> dict[str, Any]:
    """Return the tasks of the training pipeline that end with its steps."""
    tasks: dict[str, Any] = documents(compiled, "training")[0]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    return tasks


def test_publishing_waits_for_the_verdict_and_registers_whatever_it_says(compiled: Path) -> None:
    steps = steps_in(compiled)
    assert {"evaluate", "settings"} <= set(steps["publish"]["dependentTasks"])
    assert not [name for name, task in steps.items() if "condition" in task.get("triggerPolicy", {})]


def test_publishing_measures_with_the_parameters_of_evaluate(compiled: Path) -> None:
    steps = steps_in(compiled)
    given = {name: steps[name]["inputs"]["parameters"] for name in ("evaluate", "publish")}
    assert given["publish"]["measured_with"] == given["evaluate"]["params"]
    assert given["publish"]["params"] != given["publish"]["measured_with"]


def test_transfers_are_retried(compiled: Path) -> None:
    for name in ("ingest", "publish"):
        retries = steps_in(compiled)[name]["retryPolicy"]
        assert (retries["maxRetryCount"], retries["backoffDuration"]) == (3, "30s")


def test_every_field_of_the_training_form_changes_the_parameters_of_its_step() -> None:
    sections = {name: section for name, section in yaml.safe_load(PARAMS.read_text()).items() if name in STEPS}
    other: dict[str, Any] = {"image_size_px": 256, "variant": "paper", "seed": 7, "total_images": 7}
    other |= {"data_source": "photographs", "data_version": "v1", "model_name": "other"}
    other |= {"labels_file": "labels.csv", "lot_pattern": "^(..)", "package_boxes": "*.json", "package_find": "box"}
    form = pipeline_of("training", IMAGE, PARAMS, place_locally).component_spec.inputs.keys() - {"pod_gpus", "pod_size"}
    for field in form:
        section, key = FIELDS[field].split(".")
        assert getattr(checked_sections(sections, {field: other[field]})[section], key) == other[field], field


@pytest.mark.parametrize(
    ("name", "expected"),
    [("training", {"ingest", "crop-resize", "train"}), ("defects", {"ingest", "crop-resize"})],
)
def test_what_depends_on_the_world_is_never_taken_from_the_cache(name: str, expected: set[str], compiled: Path) -> None:
    spec = documents(compiled, name)[0]
    tasks = spec["root"]["dag"]["tasks"] | spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    cached = {name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")}
    assert cached == expected


@pytest.mark.parametrize("name", ["training", "sweep", "defects"])
def test_whatever_happens_the_end_of_a_run_is_told_to_mlflow(name: str, compiled: Path) -> None:
    spec = documents(compiled, name)[0]
    finish = spec["root"]["dag"]["tasks"]["finish"]
    assert finish["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert finish["dependentTasks"] == ["exit-handler-1"]
    assert not finish.get("cachingOptions")
    steps = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert {"ingest", "crop-resize"} <= steps.keys()


def test_a_wrong_key_of_the_cluster_is_named(tmp_path: Path) -> None:
    content = yaml.safe_load(PARAMS.read_text())
    content["kubeflow"]["steps"]["train"]["cpus"] = 4
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"kubeflow\.steps\.train\.cpus: unknown key"):
        pipeline_of("training", IMAGE, tmp_path / "params.yaml")


@pytest.mark.parametrize(("missing", "unknown"), [("augment", None), (None, "polish")])
def test_steps_without_resources_and_resources_without_a_step_are_named(
    missing: str | None, unknown: str | None, tmp_path: Path
) -> None:
    content = yaml.safe_load(PARAMS.read_text())
    steps = content["kubeflow"]["steps"]
    content["kubeflow"]["steps"] = {name: steps[name] for name in steps if name != missing}
    if unknown:
        content["kubeflow"]["steps"][unknown] = steps["train"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    words = rf"kubeflow: steps: expected settings, .*\(missing {missing or 'none'}, unknown {unknown or 'none'}\)"
    with pytest.raises(UserError, match=words):
        pipeline_of("training", IMAGE, tmp_path / "params.yaml")


def test_the_command_line_offers_every_pipeline() -> None:
    assert set(NAMES) == PIPELINES.keys()


def test_on_this_machine_a_task_runs_again_when_the_code_of_its_step_changes(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    Compiler().compile(pipeline_of("training", IMAGE, PARAMS, place_locally), str(path))
    executors = yaml.safe_load(path.read_text())["deploymentSpec"]["executors"]
    for step in ("ingest", "crop_resize", "train", "evaluate", "publish"):
        (name,) = [name for name in executors if name == f"exec-{step.replace('_', '-')}"]
        environment = {item["name"]: item["value"] for item in executors[name]["container"]["env"]}
        assert environment["FABGAN_CODE"] == code_of(step)


def test_a_sweep_over_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    sections = yaml.safe_load(PARAMS.read_text())
    empty = (
        ("image_sizes_px", lambda: plan(sections, {"data_source": "rendered.yaml"}, [])),
        ("variants, image_sizes_px, seeds", lambda: trainings(sections["train"], [], [], [], 0)),
        ("seeds", lambda: trainings(sections["train"], ["paper"], [128], [], 0)),
    )
    for fields, sweep in empty:
        with pytest.raises(SystemExit, match="1"):
            sweep()
        assert f"form: {fields}: expected at least one value in each list" in capsys.readouterr().err


@pytest.mark.parametrize(("variants", "gpus", "words"), [(["paper"], 2, "train.variant"), (["seamless"], 3, "by 3")])
def test_a_sweep_whose_gpus_cannot_train_together_is_refused(
    variants: list[str], gpus: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    section = yaml.safe_load(PARAMS.read_text())["train"]
    assert trainings(section, ["seamless", "paper"], [128], [1], 1)
    with pytest.raises(SystemExit, match="1"):
        trainings(section, variants, [128], [1], gpus)
    assert words in capsys.readouterr().err


def test_a_form_takes_text_and_refuses_what_does_not_fit() -> None:
    pipeline = pipeline_of("sweep", IMAGE, PARAMS, place_locally)
    form = chosen(pipeline, {"seeds": "[4, 5]", "total_images": "64"})
    assert form["seeds"] == [4, 5]
    assert form["total_images"] == 64
    assert form["image_sizes_px"] == [128]
    with pytest.raises(UserError, match="pod_size: expected one of demo, small, large, got huge"):
        chosen(pipeline, {"pod_size": "huge"})
    with pytest.raises(UserError, match="total_images: expected integer, got many"):
        chosen(pipeline, {"total_images": "many"})
    with pytest.raises(UserError, match="seed: unknown field of fabgan-sweep"):
        chosen(pipeline, {"seed": "4"})
    with pytest.raises(UserError, match="destination: fabgan-augmentation needs a value"):
        chosen(pipeline_of("augmentation", IMAGE, PARAMS, place_locally), {})


def test_the_documentation_shows_the_names_and_sizes_as_they_are() -> None:
    text = (ROOT / "docs" / "kubeflow.md").read_text()
    for name, pipeline in ((name, pipeline_of(name, IMAGE, PARAMS, place_locally)) for name in PIPELINES):
        assert f"| {pipeline.pipeline_spec.pipeline_info.display_name} | `{name}`: " in text
    for name, size in yaml.safe_load(PARAMS.read_text())["kubeflow"]["sizes"].items():
        cells = [f"{size['cpu']}, {size['memory']}", f"{size['cpu_limit']}, {size['memory_limit']}"]
        assert f"| `{name}` | {cells[0]} | {cells[1]} |" in text


@pytest.mark.parametrize("name", PIPELINES)
def test_the_documentation_shows_the_form_as_it_is(name: str) -> None:
    text = (ROOT / "docs" / "kubeflow.md").read_text()
    for field, spec in pipeline_of(name, IMAGE, PARAMS, place_locally).component_spec.inputs.items():
        default = "" if spec.default in (None, "") else f"`{spec.default}`"
        assert f"| `{field}` | {default} | {' '.join(spec.description.split())} |" in text, field
