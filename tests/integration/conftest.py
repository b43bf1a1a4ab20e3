"""What integration tests share: a project after its first `dvc repro`, and photographs to ingest."""

import shutil
from pathlib import Path

import pytest

from tests.fab import Fab
from tests.photographs import Repository, write_photographs
from tests.projects import Project, new_project
from tests.servers.bucket import Bucket
from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after its first `dvc repro`, committed. Not to be changed."""
    project = new_project(tmp_path_factory.mktemp("reproduced"))
    project.run("dvc repro")
    project.run("git add -A && git commit -qm reproduced")
    return project


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of the reproduced project, to be changed at will."""
    return Project(Path(shutil.copytree(reproduced.folder, tmp_path / "project", symlinks=True)))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of photographs, to be changed at will."""
    return write_photographs(tmp_path / "photographs")


@pytest.fixture(scope="session")
def moved(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Repository:
    """A repository with the photographs at v1, whose branch has moved to v2: one is gone, one a copy of another."""
    repository = Repository(tmp_path_factory.mktemp("moved") / "repository", Bucket(s3))
    repository.commit("v1")
    shutil.copy(repository.photographs / "lot-0" / "0.png", repository.photographs / "lot-1" / "0.png")
    (repository.photographs / "lot-2" / "3.png").unlink()
    repository.commit("v2")
    return repository


@pytest.fixture
def repository(moved: Repository, bucket: Bucket) -> Repository:
    """The repository, and the variables by which its remote is found."""
    return moved


@pytest.fixture
def fab(tmp_path: Path, packages: Path) -> Fab:
    return Fab(tmp_path / "fab", packages, tracking_uri=None)
