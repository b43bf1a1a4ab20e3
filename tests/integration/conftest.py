"""What the tests of whole pipelines share: a project after its first `dvc repro`."""

import shutil
from pathlib import Path

import pytest

from tests.projects import Project, new_project


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
