"""Rules of Kubeflow's real backend for the resources of pods, held against the compiled pipelines.

The local runners ignore resources. The rules are from the driver's source (kubeflow/pipelines, backend/src/v2/driver:
util.go and container.go of 2.17.0), and from pull requests 12607 and 12839 for the choices of a field.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl
from kfp.compiler import Compiler

from fabgan.components.core.errors import UserError
from fabgan.pipeline.commands.compile import PIPELINES, compile_pipelines
from fabgan.pipeline.definitions.parameters import SIZES, quantity
from fabgan.pipeline.pod.sizing import resources
from tests.conftest import ROOT

PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)'\]\}\}")
"""The driver replaces one placeholder in a resource, and takes the rest of the text for a constant."""
WITH_EVERY_POD = {"cpu": "100m", "memory": "256Mi"}
"""What Argo's containers beside a step, or a driver's pod, may request (argocompiler/argo.go of Kubeflow)."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("compiled") / "pipelines"
    compile_pipelines("fabgan:1", ROOT / "params.yaml", folder)
    return {name: next(yaml.safe_load_all((folder / f"{name}.yaml").read_text())) for name in PIPELINES}


def groups(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the tasks of every group, and the inputs of that group."""
    for group in (spec["root"], *spec["components"].values()):
        if "dag" in group:
            yield group["dag"]["tasks"], group.get("inputDefinitions", {}).get("parameters", {})


def resource_texts(spec: dict[str, Any], task: dict[str, Any]) -> list[str]:
    """Return the texts of the resources of a task's pod; none for a group."""
    component = spec["components"][task["componentRef"]["name"]]
    if "dag" in component:
        return []
    found = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["resources"]
    accelerator = found.get("accelerator", {})
    return [text for name, text in (*found.items(), *accelerator.items()) if name.startswith("resource")]


def type_of(spec: dict[str, Any], task: dict[str, Any], inputs: dict[str, Any], tasks: dict[str, Any]) -> str:
    """Return the type of what a parameter of a task is given."""
    if "componentInputParameter" in task:
        return str(inputs[task["componentInputParameter"]]["parameterType"])
    source = task["taskOutputParameter"]
    producer = spec["components"][tasks[source["producerTask"]]["componentRef"]["name"]]
    return str(producer["outputDefinitions"]["parameters"][source["outputParameterKey"]]["parameterType"])


@pytest.mark.parametrize(("name", "pods"), [("training", 5), ("sweep", 4), ("augmentation", 1), ("defects", 4)])
def test_resources_are_given_as_text_because_the_driver_makes_nothing_of_numbers(
    compiled: dict[str, dict[str, Any]], name: str, pods: int
) -> None:
    spec, sized = compiled[name], 0
    for tasks, inputs in groups(spec):
        for task in tasks.values():
            named = [match for text in resource_texts(spec, task) for match in PLACEHOLDER.findall(text)]
            given = task.get("inputs", {}).get("parameters", {})
            assert {type_of(spec, given[one], inputs, tasks) for one in named} <= {"STRING"}, named
            sized += bool(named)
    assert sized == pods


def test_the_rule_of_text_sees_a_number(tmp_path: Path) -> None:
    @dsl.component(base_image="image:1")  # type: ignore[untyped-decorator]
    def works() -> None:
        pass

    @dsl.pipeline(name="sized")  # type: ignore[untyped-decorator]
    def sized(gpus: int) -> None:
        works().set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(gpus)

    Compiler().compile(sized, str(tmp_path / "sized.yaml"))
    spec = yaml.safe_load((tmp_path / "sized.yaml").read_text())
    ((tasks, inputs),) = groups(spec)
    (named,) = PLACEHOLDER.findall("".join(resource_texts(spec, tasks["works"])))
    assert type_of(spec, tasks["works"]["inputs"]["parameters"][named], inputs, tasks) == "NUMBER_INTEGER"


@pytest.mark.parametrize("name", PIPELINES)
def test_a_placeholder_is_all_there_is_in_a_resource(compiled: dict[str, dict[str, Any]], name: str) -> None:
    for tasks, _ in groups(compiled[name]):
        for task in tasks.values():
            for text in resource_texts(compiled[name], task):
                assert PLACEHOLDER.fullmatch(text) or "{" not in text, text


def test_the_first_run_fits_into_one_core_and_three_gigabytes(compiled: dict[str, dict[str, Any]]) -> None:
    spec = compiled["training"]
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    order = ["settings", "ingest", "crop-resize", "train", "evaluate", "publish"]
    for before, after in pairwise(order):
        assert before in tasks[after]["dependentTasks"], "pods of a run must not run at the same time"
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    size = resources(
        params["kubeflow"]["sizes"], spec["root"]["inputDefinitions"]["parameters"]["pod_size"]["defaultValue"]
    )
    for name, available in (("cpu", "1"), ("memory", "3Gi")):
        assert quantity(size[name]) + quantity(WITH_EVERY_POD[name]) <= quantity(available)


def test_planning_and_finishing_ask_for_a_tenth_of_a_core(compiled: dict[str, dict[str, Any]]) -> None:
    planning = {"training": "settings", "sweep": "plan-sweep", "augmentation": "plan-augmentation"}
    for name, first in (planning | {"defects": "plan-defects"}).items():
        executors = compiled[name]["deploymentSpec"]["executors"]
        assert executors[f"exec-{first}"]["container"]["resources"]["resourceCpuRequest"] == "100m"
    for name in ("training", "defects"):
        executors = compiled[name]["deploymentSpec"]["executors"]
        assert executors["exec-finish"]["container"]["resources"]["resourceCpuRequest"] == "100m"


@pytest.mark.parametrize(("gpus", "text"), [(0, "0"), (4, "4")])
def test_gpus_of_the_form_become_text(gpus: int, text: str) -> None:
    sizes = yaml.safe_load((ROOT / "params.yaml").read_text())["kubeflow"]["sizes"]
    assert resources(sizes, "large", gpus) == sizes["large"] | {"gpus": text}


def test_a_size_or_gpus_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = yaml.safe_load((ROOT / "params.yaml").read_text())["kubeflow"]["sizes"]
    for size, gpus, words in (("huge", 0, "pod_size: expected one of demo, small, large"), ("demo", -1, "0 or more")):
        with pytest.raises(SystemExit, match="1"):
            resources(sizes, size, gpus)
        assert words in capsys.readouterr().err


def test_sizes_without_a_section_are_those_of_the_project() -> None:
    written = yaml.safe_load((ROOT / "params.yaml").read_text())["kubeflow"]["sizes"]
    assert {name: vars(size) for name, size in SIZES.items()} == written


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cpu": "4 cores"}, "expected a quantity such as 500m or 2Gi, got '4 cores'"),
        ({"memory": "64Gi"}, "memory: 64Gi is more than memory_limit, 3Gi"),
    ],
)
def test_a_size_that_no_pod_could_have_is_refused(changed: dict[str, str], words: str, tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["kubeflow"]["sizes"]["demo"] |= changed
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=words):
        compile_pipelines("fabgan:1", tmp_path / "params.yaml", tmp_path / "out")
