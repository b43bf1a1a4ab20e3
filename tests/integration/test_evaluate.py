"""The evaluate step from end to end on a few images: what it writes, and FID with a file of one's own."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fabgan.components.artifacts.generator import CARD, generate, load_generator, save_generator
from fabgan.components.artifacts.manifest import PackageManifest, read_manifest, write_manifest
from fabgan.components.artifacts.packages import load_packages, photographs
from fabgan.components.artifacts.verdict import read_verdict
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json, sha256_of_file, write_json
from fabgan.components.core.parameters import parse
from fabgan.components.evaluate import step as evaluate
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.model.measures.distances import frechet_distance
from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.networks import PaperGenerator
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.generator import SeamlessGenerator
from tests.conftest import rendered_packages, section

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")]
FACTS: dict[str, object] = {"parameters": {}, "data_sha256": "", "photographs_seen": []}
PARAMETERS = parse(EvaluateParameters, section("evaluate"), "tests")


SEAMLESS = SeamlessConfig(
    image_size_px=64,
    channels=3,
    latent_size=8,
    generator_width=4,
    discriminator_width=4,
    full_discriminator_width=2,
    feature_cap=8,
    kinds=2,
    classes=2,
)


class StandIn(nn.Module):
    """Takes images as the published Inception does, and returns 2,048 means of their pixels."""

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        features = nn.functional.adaptive_avg_pool2d(x.float(), (26, 27)).flatten(1)
        return features[:, :2048] if return_features else features[:, :1008]


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    config = PaperConfig(
        image_size_px=64,
        channels=3,
        latent_size=8,
        embedding_size=4,
        generator_width=4,
        discriminator_width=4,
        full_discriminator_width=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        save_generator(tmp_path / "generator", "paper", PaperGenerator(config), FACTS)
    return tmp_path / "generator"


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "training"
    (folder / "samples").mkdir(parents=True)
    (folder / "losses.csv").write_text("images,D,G\n8,1.0,2.0\n16,0.5,2.5\n")
    return folder


@pytest.fixture
def inception(tmp_path: Path) -> Path:
    path = tmp_path / "inception.pt"
    torch.jit.save(torch.jit.script(StandIn()), path)
    return path


def test_a_report_has_its_files_and_no_number_called_fid(generator: Path, training: Path, tmp_path: Path) -> None:
    packages = rendered_packages(tmp_path, held_out_share=0.3)
    metrics = evaluate.run(PARAMETERS, packages, generator, training, tmp_path / "report")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"verdict.json", "report.html", "report_export.html", "samples_beside_real.png"}
    for name in ("verdict.json", "report.html", "report_export.html"):
        words = (tmp_path / "report" / name).read_text().split("base64,")[0].lower()
        assert "fid" not in words
        assert "inception" not in words
    assert "fid" not in metrics
    verdict = read_verdict(tmp_path / "report")
    assert verdict.sensitivity is not None
    assert verdict.sensitivity.metrics.items() <= metrics.items()
    assert "blur_px" in {sight.name for sight in verdict.sensitivity.sights}
    assert {"kernel_distance", "kernel_distance_floor", "precision", "copied_share"} <= metrics.keys()
    assert {check.name for check in verdict.checks if check.decides == "candidate"} >= {"recall", "spectrum_db", "ser1"}


def test_the_page_says_what_was_measured_on_which_photographs_and_where_the_run_is(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    card = read_json(generator / CARD)
    write_json(generator / CARD, card | {"parameters": {"variant": "paper", "start_from": "/nas/lines/2"}})
    place = shutil.copytree(packages, tmp_path / "pinned")
    write_manifest(place, replace(read_manifest(place, PackageManifest), source="s3://photographs", revision="1a2b3c"))
    run = "http://mlflow.fab/#/experiments/1/runs/2"
    evaluate.run(PARAMETERS, place, generator, training, tmp_path / "report", run=run)
    page, export = ((tmp_path / "report" / name).read_text() for name in ("report.html", "report_export.html"))
    for text in ("s3://photographs", "1a2b3c", "start_from: /nas/lines/2"):
        assert text in page
        assert text not in export
    for text in ("variant: paper", "generated_images: 16"):
        assert text in page
        assert text in export
    assert f'<a href="{run}">{run}</a>' in page
    assert "mlflow.fab" not in export


def test_a_generator_of_colour_is_not_measured_against_grey_packages(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    grey = shutil.copytree(packages, tmp_path / "grey")
    write_manifest(grey, replace(read_manifest(grey, PackageManifest), channels=1))
    words = "grey: images in grey, but the generator makes them in colour; train it with these packages"
    with pytest.raises(UserError, match=words):
        evaluate.run(PARAMETERS, grey, generator, training, tmp_path / "report")


def test_the_verdict_has_tables_of_kinds_and_classes(packages: Path, training: Path, tmp_path: Path) -> None:
    labelled, generator = with_classes(packages, tmp_path)
    evaluate.run(PARAMETERS, labelled, generator, training, tmp_path / "report")
    groups = read_verdict(tmp_path / "report").groups
    assert list(groups["class"]) == ["a", "b"]
    assert sum(row["generated"] or 0 for row in groups["class"].values()) == PARAMETERS.generated_images
    assert sum(row["generated"] or 0 for row in groups["kind"].values()) == PARAMETERS.generated_images
    assert all((row["held_out"] or 0) > 0 for row in groups["class"].values())


def with_classes(packages: Path, folder: Path) -> tuple[Path, Path]:
    """Return labelled packages, and a generator of their two classes."""
    manifest = read_manifest(packages, PackageManifest)
    relabelled = [replace(package, label=("a", "b")[at % 2]) for at, package in enumerate(manifest.images)]
    labelled = Path(shutil.copytree(packages, folder / "labelled"))
    write_manifest(labelled, replace(manifest, images=relabelled))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        made = SeamlessGenerator(SEAMLESS)
    save_generator(folder / "generator", "seamless", made, FACTS | {"classes": ["a", "b"]})
    return labelled, folder / "generator"


def test_a_generator_that_knows_a_held_out_photograph_is_refused(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    trained, (known, *_) = photographs(packages, 64, "train"), sorted(photographs(packages, 64, "held_out"))
    for seen, value in ((trained, 0), (trained | {known}, 1)):
        write_json(generator / CARD, read_json(generator / CARD) | {"photographs_seen": sorted(seen)})
        evaluate.run(PARAMETERS, packages, generator, training, tmp_path / "report")
        verdict = read_verdict(tmp_path / "report")
        assert verdict.metrics["held_out_seen"] == value
        assert ("held_out_seen 1 is above 0" in verdict.reasons) == bool(value)
        assert not value or verdict.outcome == "refused"


def test_an_untrained_generator_is_refused_by_default(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    metrics = evaluate.run(
        replace(EvaluateParameters(), generated_images=16), packages, generator, training, tmp_path / "report"
    )
    verdict = read_verdict(tmp_path / "report")
    assert metrics["passed"] == 0
    assert verdict.outcome == "refused"
    assert any(reason.startswith("precision") for reason in verdict.reasons)


def test_fid_is_the_distance_of_the_files_features_to_all_real_images(
    packages: Path, generator: Path, training: Path, inception: Path, tmp_path: Path
) -> None:
    params = replace(PARAMETERS, inception_file=str(inception), inception_sha256=sha256_of_file(inception))
    metrics = evaluate.run(params, packages, generator, training, tmp_path / "report")
    real = load_packages(packages, 64)
    made = torch.stack(list(generate(load_generator(generator), params.generated_images, params.seed)))
    features = [StandIn()(images, return_features=True).double() for images in (made, real)]
    assert metrics["fid"] == pytest.approx(frechet_distance(*features), rel=1e-5)
    assert "fid" in (tmp_path / "report" / "report.html").read_text().lower()


def test_an_inception_file_of_another_digest_is_refused(
    packages: Path, generator: Path, training: Path, inception: Path, tmp_path: Path
) -> None:
    params = replace(PARAMETERS, inception_file=str(inception), inception_sha256="0" * 64)
    with pytest.raises(UserError, match="inception"):
        evaluate.run(params, packages, generator, training, tmp_path / "report")
    assert not (tmp_path / "report").exists()


class OfColours(nn.Module):
    """Returns the means of the three channels."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def test_a_network_of_ones_own_takes_the_place_of_the_one_in_use(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    torch.jit.save(torch.jit.script(OfColours()), tmp_path / "colours.pt")
    digest = sha256_of_file(tmp_path / "colours.pt")
    params = replace(PARAMETERS, extractor_file=str(tmp_path / "colours.pt"), extractor_sha256=digest)
    own = evaluate.run(params, packages, generator, training, tmp_path / "own")
    usual = evaluate.run(PARAMETERS, packages, generator, training, tmp_path / "usual")
    assert read_verdict(tmp_path / "own").extractor == f"colours {digest}"
    assert own["kernel_distance"] != usual["kernel_distance"]
    assert own["spectrum_db"] == usual["spectrum_db"]


@pytest.mark.parametrize("name", ["extractor", "inception"])
def test_a_file_without_its_digest_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}_sha256: the digest of {name}_file is needed"):
        parse(EvaluateParameters, section("evaluate", **{f"{name}_file": "network.pt"}), "tests")


def test_usefulness_of_a_generator_without_classes_is_refused(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"evaluate.usefulness: the generator was trained without labels"):
        evaluate.run(replace(PARAMETERS, usefulness=True), packages, generator, training, tmp_path / "report")


def test_usefulness_of_a_generator_with_classes_counts_in_the_verdict(
    packages: Path, training: Path, tmp_path: Path
) -> None:
    labelled, generator = with_classes(packages, tmp_path)
    params = replace(PARAMETERS, usefulness=True)
    metrics = evaluate.run(params, labelled, generator, training, tmp_path / "report")
    (check,) = (check for check in read_verdict(tmp_path / "report").checks if check.name == "usefulness_gain")
    assert check.value == metrics["usefulness_gain"]
    assert check.decides == "candidate"
    low, high = map(float, re.findall(r"95% interval is (\S+) \.\. (\S+), and", check.meaning)[0])
    assert check.value == pytest.approx((low + high) / 2, abs=1e-3)
    assert check.at_least == pytest.approx((low - high) / 2, abs=1e-3)
    assert check.deviation < high - low
    assert check.passed == (high >= 0)


def test_the_same_generator_is_measured_the_same_again(
    packages: Path, generator: Path, training: Path, tmp_path: Path
) -> None:
    first, second = (
        evaluate.run(PARAMETERS, packages, generator, training, tmp_path / name) for name in ("first", "second")
    )
    assert first == second
    assert read_json(tmp_path / "first" / "verdict.json") == read_json(tmp_path / "second" / "verdict.json")
