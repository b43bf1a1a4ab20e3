"""How pipelines, their versions and their runs are called in Kubeflow's lists."""

import re
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

DIGEST_LENGTH = 8


def version_name(digest: str, day: date) -> str:
    """Return the name of a pipeline's version: fabgan's version, the day, and the beginning of the file's digest."""
    return f"{version('fabgan')}+{day.isoformat()}.{version_key(digest)}"


def version_key(digest: str) -> str:
    """Return the part of a version's name that tells which file it is."""
    return digest[:DIGEST_LENGTH]


def run_name(name: str, form: Mapping[str, Any]) -> str:
    """Return the name of a run of the pipeline `name`: what tells it from others of its kind."""
    if name == "augmentation":
        model = form["model"].removeprefix("models:/")
        return f"{form['count']} images of {model}, seed {form['seed']}"
    data = " ".join(filter(None, [_data(form["data_source"]), form["data_version"]]))
    if name == "defects":
        return f"defects of {data}, {form['image_size_px']} px, seed {form['seed']}"
    if name == "sweep":
        sizes = "+".join(str(size) for size in form["image_sizes_px"])
        return f"{data}, {sizes} px, {'+'.join(form['variants'])}, {len(form['seeds'])} seed(s)"
    return f"{data}, {form['image_size_px']} px, {form['variant']}, seed {form['seed']}"


def _data(source: str) -> str:
    """Return the last part of a source's path, without the suffix of a file."""
    address = urlsplit(source)
    path = address.fragment or address.path.strip("/") or address.netloc
    return re.sub(r"\.(yaml|git)$", "", path.rsplit("/", 1)[-1])
