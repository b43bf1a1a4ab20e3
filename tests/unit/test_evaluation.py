"""What is refused before a generator is measured."""

from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.measures.evaluation import evaluation_of
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.networks import PaperGenerator
from tests.conftest import section


def test_a_grey_generator_is_not_measured_against_packages_in_colour(packages: Path) -> None:
    config = PaperConfig(
        image_size_px=64,
        channels=1,
        latent_size=8,
        embedding_size=4,
        generator_width=4,
        discriminator_width=4,
        full_discriminator_width=2,
    )
    params = parse(EvaluateParameters, section("evaluate"), "tests")
    words = f"^{packages}: images in colour, but the generator makes them in grey; train it with these packages"
    with pytest.raises(UserError, match=words):
        evaluation_of(PaperGenerator(config), {"weights_sha256": ""}, packages, params, "evaluate")
