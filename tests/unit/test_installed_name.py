"""One installed name: fabgan works in a folder full of modules that are named as its parts are."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

NAMES = ("model", "components", "pipeline", "benchmarks", "tests", "parameters", "steps", "train", "ingest", "measures")
USES = """
import fabgan
import fabgan.components.train.parameters, fabgan.model.seamless.config, fabgan.pipeline.pod.run
from fabgan.components.steps import load_parameters
load_parameters({params!r})
print(fabgan.__version__)
"""


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A folder with a module, and one with a package, of each of these names; each fails when it is imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')\n")
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "__init__.py").write_text(f"raise RuntimeError('the wrong {name}')\n")
    (tmp_path / "fabgan").mkdir()  # as beside a checkout that is called so
    return tmp_path


@pytest.mark.parametrize("folder", [".", "packages"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", USES.replace("{params!r}", f"__import__('pathlib').Path({str(ROOT / 'params.yaml')!r})")],
        ["-m", "fabgan", "train", "--help"],
        ["-m", "fabgan", "--version"],
        ["-m", "fabgan", "code", "--output", "digests"],
        ["-m", "fabgan.pipeline.pod.process", "missing.json"],
    ],
)
def test_names_of_a_persons_own_modules_do_no_harm(crowded: Path, folder: str, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=crowded / folder, capture_output=True, text=True, check=False
    )
    assert "the wrong" not in done.stderr
    missing = "missing.json" in arguments
    assert done.returncode == (1 if missing else 0), done.stderr
    assert "Traceback" not in done.stderr


def test_the_wheel_installs_fabgan_alone_and_all_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, str(ROOT)], capture_output=True, check=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"fabgan"}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for file in tracked:
        if file.split("/")[0] in ("model", "components", "pipeline"):
            assert f"fabgan/{file}" in names
    assert {"fabgan/py.typed", "fabgan/project/params.yaml", "fabgan/project/dvc.yaml"} <= set(names)
