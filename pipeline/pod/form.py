"""The form of a pipeline: which parameters its fields give values to."""

from collections.abc import Mapping
from typing import Any

from fabgan.components.steps import parse_sections
from fabgan.components.train.parameters import check_processes

FORM = "the pipeline's form"
"""What messages call it."""
FIELDS = {
    "annotations": "ingest.annotations",
    "data_source": "ingest.source",
    "data_version": "ingest.revision",
    "labels_file": "ingest.labels_file",
    "lot_pattern": "ingest.lot_pattern",
    "package_boxes": "ingest.boxes",
    "package_find": "crop_resize.find",
    "sizes_px": "crop_resize.sizes_px",
    "image_size_px": "train.image_size_px",
    "variant": "train.variant",
    "total_images": "train.total_images",
    "seed": "train.seed",
    "model_name": "publish.model_name",
}
"""The key of the parameters that each field of a form gives a value to."""


def checked_sections(content: Mapping[str, Any], form: Mapping[str, Any], gpus: int = 0) -> dict[str, Any]:
    """Return the parameters of every step, from the sections of a params.yaml and the fields of a form.

    `gpus` is the number of GPUs that train together. Raises UserError for a wrong value.
    """
    sections = {name: dict(section) for name, section in content.items()}
    for field, value in form.items():
        if field in FIELDS:
            section, name = FIELDS[field].split(".")
            sections[section][name] = value
    if "image_size_px" in form and "sizes_px" not in form:
        sections["crop_resize"]["sizes_px"] = [form["image_size_px"]]
    parsed = parse_sections(sections, FORM)
    check_processes(parsed["train"], max(gpus, 1))
    return parsed
