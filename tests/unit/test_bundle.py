"""What is carried through the airlock: wheels pinned by digest, and sums that show every kind of damage."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from bundle.__main__ import copy_tracked, write_sums
from bundle.debian_packages import digest, packages
from bundle.wheels import copy_wheels, read_wheels, write_requirements
from fabgan.components.core.errors import UserError
from tests.conftest import ROOT

TORCH = "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"
RUNTIME = "nvidia_cuda_runtime-13.0.96-py3-none-manylinux_2_17_x86_64.whl"


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    (folder / TORCH).write_bytes(b"torch")
    (folder / "Flask_WTF-1.3.0-py3-none-any.whl").write_bytes(b"forms")
    return folder


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A bundle of small files, with its sums and its install.sh."""
    folder = tmp_path / "fabgan-9.8.7"
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pipelines" / "training.yaml").write_text("image: fabgan:9.8.7\n")
    (folder / "image.txt").write_text("fabgan:9.8.7\n")
    (folder / "image.tar.gz").write_bytes(bytes(range(256)))
    shutil.copy2(ROOT / "bundle" / "install.sh", folder)
    write_sums(folder)
    return folder


def install(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "install.sh", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_requirements_pin_every_wheel_by_its_digest(wheelhouse: Path) -> None:
    write_requirements(wheelhouse, "cpu")
    assert (wheelhouse / "requirements.txt").read_text().splitlines() == [
        f"flask-wtf==1.3.0 --hash=sha256:{hashlib.sha256(b'forms').hexdigest()}",
        f"torch==2.13.0+cpu --hash=sha256:{hashlib.sha256(b'torch').hexdigest()}",
    ]


def test_gathered_wheels_have_one_list(wheelhouse: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "fabgan-9.8.7-py3-none-any.whl").write_bytes(b"fabgan")
    copy_wheels([wheelhouse, own], tmp_path / "both")
    assert [wheel.name for wheel in read_wheels(tmp_path / "both")] == ["fabgan", "flask-wtf", "torch"]
    assert len((tmp_path / "both" / "requirements.txt").read_text().splitlines()) == 3


def test_wheelhouse_of_the_other_flavour_is_refused(wheelhouse: Path) -> None:
    with pytest.raises(UserError, match="gave torch without CUDA, but FLAVOUR is cuda"):
        write_requirements(wheelhouse, "cuda")
    (wheelhouse / RUNTIME).write_bytes(b"runtime")
    write_requirements(wheelhouse, "cuda")
    with pytest.raises(UserError, match="gave torch with CUDA, but FLAVOUR is cpu"):
        write_requirements(wheelhouse, "cpu")


def test_empty_wheelhouse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no wheels"):
        read_wheels(tmp_path)


def test_passwords_made_beside_the_manifests_are_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    (project / "deploy" / "secrets" / "fab").mkdir(parents=True)
    (project / "deploy" / "base.yaml").write_text("kind: Service\n")
    (project / ".gitignore").write_text("/deploy/secrets/*/\n")
    (project / "deploy" / "secrets" / "fab" / "password.env").write_text("PASSWORD=1\n")
    subprocess.run("git init -q && git add -A", shell=True, cwd=project, check=True)
    monkeypatch.setattr("bundle.__main__.CHECKOUT", project)
    copy_tracked("deploy", tmp_path / "bundle")
    assert [file.name for file in (tmp_path / "bundle").rglob("*") if file.is_file()] == ["base.yaml"]


def test_whole_bundle_is_accepted_again_and_again(packed: Path) -> None:
    for _ in range(2):
        done = install(packed)
        assert (done.returncode, done.stderr) == (0, "")
        assert hashlib.sha256((packed / "SHA256SUMS").read_bytes()).hexdigest() in done.stdout


def test_flipped_bit_is_refused(packed: Path) -> None:
    content = bytearray((packed / "image.tar.gz").read_bytes())
    content[100] ^= 1
    (packed / "image.tar.gz").write_bytes(content)
    done = install(packed)
    assert done.returncode == 1
    assert "image.tar.gz: FAILED" in done.stdout
    assert "copy the bundle again" in done.stderr


@pytest.mark.parametrize("name", ["image.tar.gz", "pipelines/training.yaml", "SHA256SUMS"])
def test_missing_file_is_refused(packed: Path, name: str) -> None:
    (packed / name).unlink()
    done = install(packed)
    assert done.returncode == 1
    assert name in done.stderr


@pytest.mark.parametrize("name", ["more.yaml", "pipelines/.hidden", ".git/config"])
def test_file_that_was_not_packed_is_refused(packed: Path, name: str) -> None:
    (packed / name).parent.mkdir(exist_ok=True)
    (packed / name).write_text("")
    done = install(packed)
    assert done.returncode == 1
    assert f"not in SHA256SUMS: {name}" in done.stderr


def test_link_that_was_not_packed_is_refused(packed: Path) -> None:
    (packed / "link").symlink_to("/etc")
    assert "not in SHA256SUMS: link" in install(packed).stderr


def test_nothing_is_installed_from_a_damaged_bundle(packed: Path, tmp_path: Path) -> None:
    (packed / "image.tar.gz").write_bytes(b"")
    done = install(packed, "--registry", "registry.fab.local/fabgan", "--venv", str(tmp_path / "venv"))
    assert done.returncode == 1
    assert not (tmp_path / "venv").exists()
    assert "the image is" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--registy", "r"], "--registy: unknown"),
        (["--push"], "--push: needs --registry"),
        (["--venv"], "--venv: needs a value"),
        (["--venv", "venv"], "venv: is inside the bundle"),
        (["--registry", "registry.fab.local/fabgan", "--output", "pipelines"], "pipelines: is inside the bundle"),
    ],
)
def test_wrong_arguments_are_refused_in_words(packed: Path, arguments: list[str], words: str) -> None:
    done = install(packed, *arguments)
    assert done.returncode == 1
    assert f"install: error: {words}" in done.stderr


STATUS = """Package: {name}
Status: {status}
Architecture: amd64
Version: 1:2.0-1
Description: one line
 Status: not this
"""


def test_debian_packages_are_those_installed_with_the_digest_of_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "info").mkdir()
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "info" / "here:amd64.list").write_text(f"/.\n{tmp_path}/file\n")
    monkeypatch.setattr("bundle.debian_packages.DPKG", tmp_path)
    here = STATUS.format(name="here", status="install ok installed")
    gone = STATUS.format(name="gone", status="deinstall ok config-files")
    line = f"{hashlib.sha256(b'content').hexdigest()}  {tmp_path}/file\n"
    expected = {"name": "here", "version": "1:2.0-1", "architecture": "amd64"}
    assert packages(f"{here}\n{gone}") == [expected | {"sha256": hashlib.sha256(line.encode()).hexdigest()}]
    (tmp_path / "file").write_bytes(b"other")
    assert digest([f"{tmp_path}/file"]) != hashlib.sha256(line.encode()).hexdigest()
