"""The images that a Kubeflow asks for, beside those that the bundle carries."""

from pathlib import Path

import pytest
import yaml

from fabgan.cli import main
from fabgan.components.core.errors import UserError
from fabgan.pipeline.checks.images import is_listed
from fabgan.pipeline.commands.images import compare_with
from tests.manifests import render
from tests.unit.test_deploy import KUBEFLOW, patched_kubeflow

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
