"""What Kubeflow's UI shows of a pipeline: a description in Markdown, and drop-downs for fields with few values."""

from collections.abc import Iterable, Mapping
from typing import Any


def explain(pipeline: Any, choices: Mapping[str, Iterable[str]]) -> Any:
    """Describe every field of a pipeline's form in its description, give fields their choices, and return it.

    The form itself shows the name and type of a field alone, in alphabetical order. The description that Kubeflow shows
    beside the graph is the only place for more. A field with `literals` is a drop-down, and the API server refuses any
    other value (kubeflow/pipelines pull requests 12607 and 12839). kfp 2.17 cannot declare them, so they are added to
    what it made.
    """
    fields = pipeline.component_spec.inputs
    rows = [f"- **{name}**: {' '.join(fields[name].description.split())}" for name in sorted(fields)]
    description = f"{pipeline.description}\n\n**The form**\n\n" + "\n".join(rows)
    pipeline.description = pipeline.pipeline_spec.pipeline_info.description = description
    declared = pipeline.pipeline_spec.root.input_definitions.parameters
    for name, values in choices.items():
        for value in values:
            declared[name].literals.add().string_value = value
    return pipeline


def choices_of(pipeline: Any) -> dict[str, list[str]]:
    """Return the values that each field with a drop-down takes."""
    declared = pipeline.pipeline_spec.root.input_definitions.parameters
    return {name: [one.string_value for one in spec.literals] for name, spec in declared.items() if spec.literals}
