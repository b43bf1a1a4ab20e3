"""The list of images, and the images that a Kubeflow asks for beside it."""

import re
from pathlib import Path

import pytest
import yaml

from fabgan.cli import main
from fabgan.components.core.errors import UserError
from fabgan.pipeline.checks.images import is_listed
from fabgan.pipeline.commands import images as pipeline_images
from fabgan.pipeline.commands.images import compare_with
from tests.conftest import VERSION
from tests.manifests import DEPLOY, render
from tests.unit.test_deploy import IMAGES, KUBEFLOW, patched_kubeflow

LISTED = ["ghcr.io/kubeflow/kfp-driver:2.17.0", "fabgan:0.1.0", "alpine@sha256:12"]


@pytest.mark.parametrize(
    ("image", "listed"),
    [
        ("registry.fab.example/kubeflow/kfp-driver:2.17.0", True),
        ("localhost:5000/kubeflow/kfp-driver:2.17.0", True),
        ("kubeflow/kfp-driver:2.17.0", True),
        ("ghcr.io/kubeflow/kfp-driver:2.16.0", False),
        ("ghcr.io/kubeflow/kfp-driver", True),
        ("alpine@sha256:12", True),
        ("alpine@sha256:34", False),
        ("other/fabgan:0.1.0", False),
    ],
)
def test_an_image_is_told_by_its_path_and_tag_whatever_registry_it_is_from(image: str, listed: bool) -> None:
    assert is_listed(image, LISTED) == listed


def manifests(folder: Path, argoexec: str) -> Path:
    """Write the manifests of a Kubeflow that was pointed at a registry, as kustomize prints them."""
    patched_kubeflow(folder, KUBEFLOW)
    path = folder / "rendered.yaml"
    path.write_text(yaml.safe_dump_all(render(folder)).replace("argoexec:v4.0.5", f"argoexec:{argoexec}"))
    return path


def test_a_kubeflow_that_the_bundle_fits_lacks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "images", f"--kubeflow={manifests(tmp_path, 'v4.0.5')}"]) == 0
    said = capsys.readouterr().out
    assert "registry.fab.example/argoproj/argoexec:v4.0.5  listed: --executor-image of workflow-controller" in said
    assert "registry.fab.example/kubeflow/kfp-frontend  listed: FRONTEND_IMAGE of" in said
    assert "api-server:1  of Kubeflow: deployment ml-pipeline" in said
    assert "LACKING" not in said


def test_an_image_of_another_version_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "images", f"--kubeflow={manifests(tmp_path, 'v3.7.14')}"]) == 1
    said = capsys.readouterr()
    assert "registry.fab.example/argoproj/argoexec:v3.7.14  LACKING: --executor-image" in said.out
    words = "argoexec:v3.7.14: not in deploy/images.yaml; write them there, and make the bundle anew"
    assert said.err == f"fabgan: error: registry.fab.example/argoproj/{words}\n"


def test_manifests_of_something_else_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("kind: Service\nmetadata: {name: a}\n")
    with pytest.raises(UserError, match=r"other\.yaml: no Deployment in it names the images of runs"):
        compare_with(tmp_path / "other.yaml")


def test_list_of_images_names_one_version_of_each() -> None:
    assert len({image["name"] for image in IMAGES}) == len(IMAGES)
    for image in IMAGES:
        assert image.keys() == {"name", "tag", "digest", "pulled_by", "why"}, image["name"]
        assert isinstance(image["tag"], str), image["name"]
        assert re.search(r"\d", image["tag"]), image["name"]


def test_images_are_listed_in_a_checkout_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_images, "LIST", tmp_path / "images.yaml")
    with pytest.raises(UserError, match=r"works only in a checkout of fabgan.*images\.txt") as raised:
        pipeline_images.every_image(f"fabgan:{VERSION}", DEPLOY.parent / "params.yaml")
    assert "\n" not in str(raised.value)
