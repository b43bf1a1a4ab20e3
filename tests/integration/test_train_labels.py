"""Training with class labels."""

import itertools
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch

from fabgan.components.artifacts.generator import generate, latents, load_card, load_generator
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json, write_json
from fabgan.model.pixels import to_uint8
from fabgan.model.seamless.generator import SeamlessGenerator
from tests.conftest import PARAMETERS
from tests.integration.test_train import trained

pytestmark = pytest.mark.integration


def relabelled(packages: Path, folder: Path, labels: list[str | None]) -> Path:
    """Return a copy of a folder of packages whose images have these labels in turn."""
    copy = Path(shutil.copytree(packages, folder / "packages"))
    manifest = read_json(copy / "manifest.json")
    for image, label in zip(manifest["images"], itertools.cycle(labels), strict=False):
        image["label"] = label
    write_json(copy / "manifest.json", manifest)
    return copy


LABELLED = PARAMETERS["train"]["seamless"] | {"labels": True}


def test_labels_become_classes_that_can_be_asked_for(
    packages: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labelled = relabelled(packages, tmp_path, ["good", "missing_ball", "good"])
    trained(labelled, tmp_path, variant="seamless", seamless=LABELLED)
    listed = open_packages(labelled, PARAMETERS["train"]["image_size_px"], "train").listed
    counts = Counter(package.label for package in listed)
    said = [f"the class {name!r} has only {count} training image(s)" for name, count in sorted(counts.items())]
    warned = [message for message in caplog.messages if "training image(s)" in message]
    assert [message.partition(";")[0] for message in warned] == said
    made, card = load_generator(tmp_path / "generator"), load_card(tmp_path / "generator")
    assert isinstance(made, SeamlessGenerator)
    assert card["classes"] == ["good", "missing_ball"]
    shares_K, class_of_kind_K = made.kind_shares_K, made.class_of_kind_K
    assert set(class_of_kind_K.tolist()) == {0, 1}
    assert float(shares_K[class_of_kind_K == 0].sum()) == pytest.approx(2 / 3, abs=0.1)
    z_NZ, quantiles_N = latents(16, made.config.latent_size, 1)
    for label in (0, 1):
        kinds_N = made.kinds_of(quantiles_N, label)
        assert set(class_of_kind_K[kinds_N].tolist()) == {label}
        images = torch.stack(list(generate(made, 16, 1, label)))
        with torch.inference_mode():
            assert torch.equal(images, to_uint8(made.full_image(z_NZ, kinds_N)))


@pytest.mark.parametrize("found", [["good", None], ["good"]])
def test_labels_that_make_no_classes_are_refused(packages: Path, tmp_path: Path, found: list[str | None]) -> None:
    with pytest.raises(UserError, match="needs a label for every image, and at least two classes"):
        trained(relabelled(packages, tmp_path, found), tmp_path, variant="seamless", seamless=LABELLED)
