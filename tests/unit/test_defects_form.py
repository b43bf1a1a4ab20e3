"""The form of the defects pipeline shows data that can be learned from."""

from pathlib import Path

import pytest
import yaml

from fabgan.components.core.errors import UserError
from fabgan.pipeline.commands.compile import pipeline_of
from fabgan.pipeline.definitions.cluster import place_locally
from fabgan.pipeline.pod.defects import requests_of
from tests.conftest import ROOT
from tests.unit.test_pipelines import IMAGE, PARAMS


@pytest.mark.parametrize(
    ("annotations", "source"), [("", "data/annotated.yaml"), ("*.json", "s3://fab/lots")], ids=["embedded", "own"]
)
def test_the_form_of_defects_shows_photographs_that_are_annotated(
    annotations: str, source: str, tmp_path: Path
) -> None:
    content = yaml.safe_load(PARAMS.read_text())
    content["ingest"]["boxes"] = "boxes"
    content["crop_resize"]["find"] = "box"
    content["ingest"] |= {"annotations": annotations, "source": "s3://fab/lots", "revision": "" if annotations else "1"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    fields = pipeline_of("defects", IMAGE, tmp_path / "params.yaml", place_locally).component_spec.inputs
    assert fields["data_source"].default == source
    assert (fields["annotations"].default or "", fields["data_version"].default or "") == (annotations, "")
    found = (fields["package_boxes"].default or "", fields["package_find"].default)
    assert found == (("boxes", "box") if annotations else ("", "outline"))
    assert (ROOT / "data" / "annotated.yaml").is_file()


def test_the_number_of_images_of_the_form_reaches_the_step_that_makes_them() -> None:
    fields = pipeline_of("defects", IMAGE, PARAMS, place_locally).component_spec.inputs
    form = {name: field.default for name, field in fields.items()} | {"images": 7}
    assert requests_of(form)["making"] | {"seed": 0} == {
        "size_px": form["image_size_px"],
        "counts": {},
        "per_kind": 0,
        "images": 7,
        "seed": 0,
        "layout": "masks",
        "defects_per_image": 3,
    }
    with pytest.raises(UserError, match="give a number of images above 0"):
        requests_of(form | {"images": 0})
