"""Write the components for the pipelines of others, each in a folder as kubeflow/pipelines-components lays them out.

A folder has the compiled component, its README, `metadata.yaml`, and `OWNERS`. All of it is made from the definitions.
"""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from docstring_parser import Docstring, parse
from kfp import dsl
from kfp.compiler import Compiler

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import Marker, atomic_file, atomic_folder, check_replaceable, names_marker

from ..definitions.catalogue import CATALOGUE, KUBEFLOW_PIPELINES, Entry
from ..definitions.parameters import AUTHORITIES, ENDPOINTS, MLFLOW_KEYS, RUN_ID, S3_KEYS
from .compile import check_image

COMPONENT, METADATA, OWNERS, INDEX = "component.yaml", "metadata.yaml", "OWNERS", "README.md"
TITLE = "# Components of fabgan\n"


def write_components(image: str, owners: Sequence[str], output: Path) -> list[Path]:
    """Write CATEGORY/NAME/ of every component into the folder `output`; return the folders.

    Everything else in `output` stays, and so does a README.md that was not written here. `owners` are the people who
    answer for the components. Raises UserError for an image without a fixed tag or digest, for no owner, and if a
    CATEGORY/NAME holds something else.
    """
    check_image(image)
    if not all(owner.strip() for owner in owners):
        raise UserError("--owner: expected the name of a person or a team")
    for entry in CATALOGUE:
        check_replaceable(output / _place(entry), _marker(entry))
    lines = [_write(entry, image, owners, output) for entry in CATALOGUE]
    index = output / INDEX
    if not index.exists() or index.read_text(encoding="utf-8", errors="replace").startswith(TITLE):
        with atomic_file(index) as partial:
            partial.write_text(f"{TITLE}\n{''.join(lines)}", encoding="utf-8")
    return [output / _place(entry) for entry in CATALOGUE]


def _marker(entry: Entry) -> Marker:
    name = entry.name.replace("_", "-")
    return names_marker(COMPONENT, (COMPONENT, METADATA, OWNERS, INDEX), f"# PIPELINE DEFINITION\n# Name: {name}\n")


def _place(entry: Entry) -> Path:
    return Path(entry.category) / entry.name


def _write(entry: Entry, image: str, owners: Sequence[str], output: Path) -> str:
    """Write the folder of a component; return its line of the index."""
    component = component_of(entry, image)
    told = parse(inspect.getdoc(entry.function) or "")
    with atomic_folder(output / _place(entry), _marker(entry)) as folder:
        Compiler().compile(component, str(folder / COMPONENT))
        _dump(folder / METADATA, metadata_of(entry))
        _dump(folder / OWNERS, {"approvers": list(owners)})
        (folder / INDEX).write_text("\n".join(_readme(entry, component.component_spec, told)) + "\n", encoding="utf-8")
    return f"- [{entry.name}]({_place(entry).as_posix()}/{INDEX}): {told.description}\n"


def component_of(entry: Entry, image: str) -> Any:
    """Return the component for a container image."""
    return dsl.component(entry.function, base_image=image, install_kfp_package=False)


def metadata_of(entry: Entry) -> dict[str, Any]:
    """Return the content of metadata.yaml."""
    return {
        "name": entry.name,
        "stability": entry.stability,
        "dependencies": {"kubeflow": [{"name": "Pipelines", "version": f">={KUBEFLOW_PIPELINES}"}]},
        "tags": [entry.category.replace("_", "-")],
        "lastVerified": f"{entry.verified}T00:00:00Z",
    }


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _readme(entry: Entry, spec: Any, told: Docstring) -> Iterator[str]:
    """Yield the lines of the README."""
    words = {param.arg_name: param.description or "" for param in told.params}
    if told.returns:
        words[told.returns.type_name or ""] = told.returns.description or ""
    yield f"# {entry.name}"
    yield f"\n{told.description}"
    tried = f"Last verified: {entry.verified}, with Kubeflow Pipelines {KUBEFLOW_PIPELINES}"
    yield f"\nStability: {entry.stability}. {tried}."
    for title, items in (("Inputs", spec.inputs), ("Outputs", spec.outputs)):
        yield f"\n## {title}\n\n| name | type | description |\n|---|---|---|"
        for name, one in items.items():
            yield f"| `{name}` | {_type(one.type)} | {_of_a_cell(words[name])} |"
    yield "\n## Use\n\n```python"
    yield f'from kfp import components\n\n{entry.name} = components.load_component_from_file("component.yaml")\n```'
    yield "\n## Environment\n\nThe pod reads these variables, from Secrets and a ConfigMap of your cluster:\n"
    yield from (f"- `{name}`" for name in (*S3_KEYS, *MLFLOW_KEYS, *ENDPOINTS))
    yield f"- `{'` and `'.join(AUTHORITIES)}`, if an authority of your own signed for the object store or MLflow"
    named = f'kubernetes.use_field_path_as_env(task, "FABGAN_RUN", "{RUN_ID}")'
    yield f"- `FABGAN_RUN`, the name of the run, by which its steps meet in one run of MLflow: `{named}`"


def _type(name: str) -> str:
    """Return a type as a reader knows it: `system.Dataset@0.0.1` is a Dataset."""
    return name.removeprefix("system.").partition("@")[0]


def _of_a_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
