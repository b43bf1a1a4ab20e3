"""Kubernetes manifests as kubectl renders them, and what tests ask of them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
RUNS = "runs"
NODES = "fabgan-train-job"
"""Pods of a training across nodes."""

Manifest = dict[str, Any]


def need(program: str, package: str, folders: str | None = None) -> str:
    """Return the path of a program; without it the test is skipped, or fails where FABGAN_REQUIRE_ALL=1.

    `folders` are searched instead of PATH.
    """
    path = shutil.which(program, path=folders)
    if path is None:
        reason = f"{program} is not installed (Debian's package {package} has it)"
        (pytest.fail if os.environ.get("FABGAN_REQUIRE_ALL") == "1" else pytest.skip)(reason)
    return path


def example_with(folder: Path, *lines: str) -> Path:
    """Copy deploy/ into `folder`; return its overlays/example, without the comment signs before some lines."""
    shutil.copytree(DEPLOY, folder / "deploy")
    overlay = folder / "deploy/overlays/example"
    files = [overlay / name for name in ("kustomization.yaml", "settings.yaml")]
    for line in lines:
        (file,) = [file for file in files if f"  # {line}" in file.read_text()]
        file.write_text(file.read_text().replace(f"  # {line}", f"  {line}"))
    return overlay


def render(folder: Path) -> list[Manifest]:
    """Return the manifests that `kubectl apply --kustomize` would apply."""
    command = [need("kubectl", "kubernetes-client"), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def job(name: str) -> Manifest:
    """Return one of the single jobs."""
    manifest: Manifest = yaml.safe_load((DEPLOY / "jobs" / f"{name}.yaml").read_text())
    return manifest


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Return the manifests of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the one manifest of a kind with a name."""
    (found,) = [manifest for manifest in of_kind(manifests, kind) if manifest["metadata"]["name"] == name]
    return found


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the name and the pod's specification of everything that starts pods."""
    for manifest in of_kind(manifests, "Deployment", "StatefulSet", "Job", "CronJob"):
        spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
        yield manifest["metadata"].get("name", ""), spec["template"]["spec"]


def containers(pod: Manifest) -> list[Manifest]:
    """Return all containers of a pod, those that run first included."""
    found: list[Manifest] = [*pod.get("initContainers", []), *pod["containers"]]
    return found


def subjects(selector: Manifest) -> list[str]:
    """Return whom a policy's pod selector means: names of our pods, `runs`, or what else its labels say."""
    if not selector:
        return ["*"]
    expressions = selector.get("matchExpressions", [])
    if [(item["key"], item["operator"]) for item in expressions] == [("workflows.argoproj.io/workflow", "Exists")]:
        return [RUNS]
    listed = [value for item in expressions for value in item["values"]]
    return listed + list(selector.get("matchLabels", {}).values())


def openings(manifests: list[Manifest], direction: str) -> set[tuple[str, str, int]]:
    """Return (from, to, port) of everything that the policies open in a direction: `egress` or `ingress`."""
    found = set()
    for policy in of_kind(manifests, "NetworkPolicy"):
        own = subjects(policy["spec"]["podSelector"])
        for rule in policy["spec"].get(direction, []):
            others = [name for peer in rule["to" if direction == "egress" else "from"] for name in _peer(peer)]
            pairs = [(mine, other) if direction == "egress" else (other, mine) for mine in own for other in others]
            found |= {(*pair, port["port"]) for pair in pairs for port in rule["ports"]}
    return found


def _peer(peer: Manifest) -> list[str]:
    if "ipBlock" in peer:
        return [peer["ipBlock"]["cidr"]]
    return subjects(peer["podSelector"]) if "podSelector" in peer else subjects(peer["namespaceSelector"])
