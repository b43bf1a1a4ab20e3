"""The light installation: what it can do, and what it says of what it cannot."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.light import blocked, needed


def light(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.light", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_it_has_what_generates_images_and_lacks_kubeflow_dvc_and_the_steps() -> None:
    hidden = blocked()
    assert {"kfp", "kubernetes", "dvc", "cv2", "sklearn", "flask", "sqlalchemy", "pandas"} <= hidden
    assert not {"torch", "numpy", "PIL", "safetensors", "mlflow", "boto3", "requests", "pydantic"} & hidden


def test_what_is_needed_includes_what_that_needs_but_no_extras() -> None:
    found = needed(["requests"])
    assert {"requests", "urllib3", "idna"} <= found
    assert "pysocks" not in found


@pytest.mark.parametrize(
    ("arguments", "lacking"),
    [
        (["pipeline", "compile", "--output", "build/never"], "kfp"),
        (["crop_resize", "--frames", "a", "--output", "b", "--metrics", "c"], "cv2"),
    ],
)
def test_a_command_that_needs_more_says_how_to_get_it(arguments: list[str], lacking: str) -> None:
    done = light(*arguments)
    wanted = f"fabgan: error: {lacking} is not installed, which `fabgan {arguments[0]}` needs: install fabgan[all]\n"
    assert (done.returncode, done.stderr) == (1, wanted)


def test_the_whole_installation_hides_no_mistake_in_fabgan_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    from fabgan import cli

    def run(_: object) -> None:
        raise ModuleNotFoundError("No module named 'fabgan.nowhere'", name="fabgan.nowhere")

    monkeypatch.setattr("fabgan.commands.summary.summarise", run)
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        cli.main(["summary", "--metrics", "nowhere"])
