"""Rules of Kubeflow's real backend that its local runners do not check, held against the compiled pipelines."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl
from kfp.compiler import Compiler

from fabgan.pipeline.commands.compile import PIPELINES, compile_pipelines
from fabgan.pipeline.pod.reporting import report_errors
from tests.conftest import ROOT

LOOP_ITEMS = {"STRING", "NUMBER_DOUBLE", "NUMBER_INTEGER", "BOOLEAN"}
"""Types that a component may declare for the item of a loop. The driver hands an item on as a string of JSON and
refuses a component that declares STRUCT or LIST (kubeflow/pipelines issues 12191, 9366)."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("compiled") / "pipelines"
    compile_pipelines("fabgan:1", ROOT / "params.yaml", folder)
    return {name: next(yaml.safe_load_all((folder / f"{name}.yaml").read_text())) for name in PIPELINES}


def loop_inputs(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every component input that the item of a loop is given to, with its declared type."""
    groups = {"root": spec["root"], **spec["components"]}
    for group in groups.values():
        for task in group.get("dag", {}).get("tasks", {}).values():
            component = spec["components"][task["componentRef"]["name"]]
            for name, given in task.get("inputs", {}).get("parameters", {}).items():
                if "loop-item" in given.get("componentInputParameter", "") and "dag" not in component:
                    yield name, component["inputDefinitions"]["parameters"][name]["parameterType"]


@pytest.mark.parametrize(("name", "inputs"), [("sweep", 2), ("augmentation", 1)])
def test_the_items_of_loops_have_types_that_the_driver_hands_on(
    compiled: dict[str, dict[str, Any]], name: str, inputs: int
) -> None:
    found = list(loop_inputs(compiled[name]))
    assert len(found) == inputs
    assert {declared for _, declared in found} <= LOOP_ITEMS


def test_the_rule_of_loops_refuses_a_mapping(tmp_path: Path) -> None:
    @dsl.component(base_image="image:1")  # type: ignore[untyped-decorator]
    def takes(item: dict) -> None:  # type: ignore[type-arg]
        pass

    @dsl.pipeline(name="looping")  # type: ignore[untyped-decorator]
    def looping() -> None:
        with dsl.ParallelFor([{"a": 1}]) as item:
            takes(item=item)

    Compiler().compile(looping, str(tmp_path / "looping.yaml"))
    spec = yaml.safe_load((tmp_path / "looping.yaml").read_text())
    assert [declared for _, declared in loop_inputs(spec)] == ["STRUCT"]


def test_files_of_a_pod_are_not_for_everyone_to_write(tmp_path: Path) -> None:
    """Kubeflow's launcher starts processes with umask 0."""
    before = os.umask(0)
    try:
        report_errors(lambda: (tmp_path / "file").write_text(""))()
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
