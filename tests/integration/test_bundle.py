"""The bundle, as it is put together and as it is installed where there is no network."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.__main__ import write_sums
from bundle.engine import docker, save_image
from bundle.sbom import bill_of_materials
from bundle.wheels import normal_name, read_wheels
from fabgan.components.core.files import read_json
from tests.conftest import ROOT, make

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]

PIPELINE = 'image: {image}\nother: "{image}"\nanother: my/fabgan-tiny:0.0.1\n'
OVERLAY = "- {{name: fabgan, newName: {image}}}\n- {{name: postgres, newName: {host}/postgres}}\n"


@pytest.fixture(scope="session")
def bundle(image: str) -> Path:
    """The bundle of this checkout, by `make bundle`. Not to be changed."""
    make("bundle")
    return ROOT / "build" / "bundle" / image.replace(":", "-")


@pytest.fixture
def tiny(docker_engine: None, tmp_path: Path) -> Iterator[Path]:
    """A bundle with the same parts, around an image of one small file."""
    archive = tmp_path / "root.tar"
    (tmp_path / "file").write_text("content")
    subprocess.run(["tar", "-cf", archive, "-C", tmp_path, "file"], check=True)
    docker("import", str(archive), "fabgan-tiny:0.0.1")
    folder = tmp_path / "fabgan-tiny-0.0.1"
    (folder / "pipelines").mkdir(parents=True)
    (folder / "deploy").mkdir()
    (folder / "pipelines" / "training.yaml").write_text(PIPELINE.format(image="fabgan-tiny:0.0.1"))
    (folder / "deploy" / "overlay.yaml").write_text(
        OVERLAY.format(image="registry.fab.example/fabgan", host="registry.fab.example")
    )
    (folder / "image.txt").write_text("fabgan-tiny:0.0.1\n")
    save_image("fabgan-tiny:0.0.1", folder / "image.tar.gz")
    (folder / "install.sh").write_bytes((ROOT / "bundle" / "install.sh").read_bytes())
    (folder / "install.sh").chmod(0o755)
    write_sums(folder)
    docker("image", "rm", "fabgan-tiny:0.0.1")
    yield folder
    docker("image", "rm", "--force", "fabgan-tiny:0.0.1", "localhost:1/fabgan:0.0.1")


def install(folder: Path, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*before, str(folder / "install.sh"), *arguments]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)


def test_image_gets_the_registrys_name_and_so_do_pipelines_and_manifests(tiny: Path, tmp_path: Path) -> None:
    done = install(tiny, "--registry", "localhost:1/fabgan", "--output", "site")
    assert (done.returncode, done.stderr) == (0, "")
    assert docker("image", "inspect", "--format", "{{.Size}}", "localhost:1/fabgan:0.0.1").strip() == "7"
    pipeline = (tmp_path / "site/pipelines/training.yaml").read_text()
    assert pipeline == PIPELINE.format(image="localhost:1/fabgan:0.0.1")
    overlay = (tmp_path / "site/deploy/overlay.yaml").read_text()
    assert overlay == OVERLAY.format(image="localhost:1/fabgan", host="localhost:1")
    assert install(tiny).returncode == 0


def test_manifests_that_are_there_are_not_overwritten(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    done = install(tiny, "--registry", "localhost:1/fabgan", "--output", "site")
    assert done.returncode == 1
    assert "install: error: site: exists already" in done.stderr


def test_registry_that_does_not_answer_ends_the_installation(tiny: Path, tmp_path: Path) -> None:
    done = install(tiny, "--registry", "localhost:1/fabgan", "--push")
    assert done.returncode != 0
    assert not list(tmp_path.glob("*-site"))


def test_bill_names_every_wheel_by_its_digest_and_no_other(bundle: Path) -> None:
    components = read_json(bundle / "sbom.cdx.json")["components"]
    billed = {
        (component["name"], component["version"], component["hashes"][0]["content"])
        for component in components
        if component["purl"].startswith("pkg:pypi/")
    }
    assert billed == {(wheel.name, wheel.version, wheel.sha256) for wheel in read_wheels(bundle / "wheelhouse")}
    assert {"torch", "mlflow", "fabgan"} <= {name for name, _, _ in billed}


def test_bill_names_the_debian_packages_of_the_image(bundle: Path, image: str) -> None:
    components = read_json(bundle / "sbom.cdx.json")["components"]
    debian = [component for component in components if component["purl"].startswith("pkg:deb/")]
    query = ("dpkg-query", "--show", "--showformat", "${Package} ${Version}\n")
    installed = docker("run", "--rm", "--network", "none", image, *query).splitlines()
    assert sorted(f"{component['name']} {component['version']}" for component in debian) == sorted(installed)


def test_bill_keeps_to_cyclonedx(bundle: Path) -> None:
    bill = read_json(bundle / "sbom.cdx.json")
    assert bill.keys() <= {
        "bomFormat",
        "specVersion",
        "serialNumber",
        "version",
        "metadata",
        "components",
        "dependencies",
    }
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", bill["serialNumber"]
    )
    everything = [bill["metadata"]["component"], *bill["components"]]
    references = [component["bom-ref"] for component in everything]
    assert len(set(references)) == len(references)
    assert [set(bill["dependencies"][0]["dependsOn"])] == [set(references) - {"image"}]
    for component in everything:
        assert_component(component)


def assert_component(component: dict[str, Any]) -> None:
    assert component["type"] in {"library", "container"}
    assert component["name"]
    assert component["version"]
    assert [each["alg"] for each in component["hashes"]] == ["SHA-256"]
    assert re.fullmatch(r"[0-9a-f]{64}", component["hashes"][0]["content"])
    assert re.fullmatch(r"pkg:(pypi|deb/debian)/[^@\s]+@[^@\s]+", component.get("purl", "pkg:pypi/none@0"))


def test_equal_content_gives_an_equal_bill(bundle: Path, image: str) -> None:
    bill = bill_of_materials(image, read_wheels(bundle / "wheelhouse"))
    assert json.dumps(bill, indent=2) + "\n" == (bundle / "sbom.cdx.json").read_text()


def test_bundle_has_every_part(bundle: Path, image: str) -> None:
    assert (bundle / "image.txt").read_text() == f"{image}\n"
    assert f"image: {image}" in (bundle / "pipelines" / "training.yaml").read_text()
    assert image in (bundle / "images.txt").read_text().splitlines()
    tracked = subprocess.run(["git", "ls-files", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    packed = (file.relative_to(bundle).as_posix() for file in (bundle / "deploy").rglob("*") if file.is_file())
    assert sorted(packed) == sorted(tracked.splitlines())
    assert install(bundle).returncode == 0


def test_command_line_installs_where_there_is_no_network(bundle: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    quickly = ("env", "PIP_NO_COMPILE=1")  # what runs is compiled when it is imported
    done = install(bundle, "--venv", str(venv), before=("unshare", "--map-root-user", "--net", *quickly))
    assert (done.returncode, done.stderr) == (0, "")
    said = subprocess.run([venv / "bin" / "fabgan", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stdout.startswith("usage: fabgan")
    listing = [str(venv / "bin" / "pip"), "list", "--format=json"]
    listed = json.loads(subprocess.run(listing, capture_output=True, text=True, check=True).stdout)
    installed = {(normal_name(each["name"]), each["version"]) for each in listed}
    assert {(wheel.name, wheel.version) for wheel in read_wheels(bundle / "wheelhouse")} <= installed
    site = tmp_path / "project"
    subprocess.run([venv / "bin" / "fabgan", "init", site], check=True)
    compiled = offline(site, venv, "compile", "--image", "registry.fab.example/fabgan:9.8.7", "--output", "pipelines")
    assert (compiled.returncode, compiled.stderr) == (0, "")
    assert "image: registry.fab.example/fabgan:9.8.7" in (site / "pipelines/training.yaml").read_text()
    listed_there = offline(site, venv, "images")
    assert listed_there.returncode == 1
    assert listed_there.stderr.startswith("fabgan: error: pipeline images: works only in a checkout")


def offline(folder: Path, venv: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `fabgan pipeline` of an installed environment, in a folder, without a network."""
    command = ["unshare", "--map-root-user", "--net", str(venv / "bin" / "fabgan"), "pipeline", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
