"""The benchmark of photographs in an object store runs both checkouts, here the same one twice."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.integration


def test_a_checkout_compared_with_itself_makes_the_same_crops() -> None:
    command = [sys.executable, "-m", "benchmarks.photograph_speed", "--baseline", str(ROOT)]
    done = subprocess.run([*command, "--frames", "8", "--rounds", "1"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["psnr_db"]["present"] == figures["psnr_db"]["baseline"] > 40
    assert min(*figures["frames_per_s"].values(), figures["one_more_s"]) > 0
