"""What an overlay's settings change: namespaces, addresses and sizes of volumes. Several overlays go together."""

import shutil
from pathlib import Path

import yaml

from tests.manifests import DEPLOY, OVERLAYS, Manifest, of_kind, render


def test_namespace_of_the_runs_and_addresses_are_settings(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    for name in OVERLAYS:
        settings = tmp_path / "deploy/overlays" / name / "settings.yaml"
        changed = settings.read_text().replace("kubeflow-user", "team-a").replace("192.0.2.1", "10.0.0.1")
        settings.write_text(changed.replace("mlflow.fab.example", "mlflow.fab2.example"))
        rendered = yaml.safe_dump_all(render(settings.parent))
        assert "kubeflow-user" not in rendered
        assert "192.0.2.1/" not in rendered
        assert "mlflow.fab.example" not in rendered
        assert rendered.count("namespace: team-a") > 5


def test_an_overlay_for_a_second_namespace_changes_nothing_of_the_first(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    for name in OVERLAYS:
        settings = tmp_path / "deploy/overlays" / name / "settings.yaml"
        first = {identity(item): item for item in render(settings.parent)}
        settings.write_text(settings.read_text().replace("kubeflow-user", "team-b"))
        second = {identity(item): item for item in render(settings.parent)}
        assert {key for key in first.keys() & second.keys() if first[key] != second[key]} == set()
        added = [key for key in second.keys() - first.keys() if "team-b" not in key]
        assert {key[2] for key in added} <= {"pipelines-to-mlflow.team-b", "pipelines-to-object-store.team-b"}
        assert len(added) >= 1


def test_sizes_of_the_volumes_are_settings(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    settings = tmp_path / "deploy/overlays/example/settings.yaml"
    before = sizes(render(settings.parent))
    for name, size in before.items():
        assert f"Size: {size}" in settings.read_text(), name
        settings.write_text(settings.read_text().replace(f"Size: {size}", f"Size: 1{size}"))
    assert sizes(render(settings.parent)) == {name: f"1{size}" for name, size in before.items()}
    assert before.keys() == {"postgresql", "object-store", "backup"}


def sizes(manifests: list[Manifest]) -> dict[str, str]:
    """Return the size of each volume, by the name of the claim or of the StatefulSet that makes it."""
    asked = {one["metadata"]["name"]: one["spec"] for one in of_kind(manifests, "PersistentVolumeClaim")}
    for one in of_kind(manifests, "StatefulSet"):
        asked[one["metadata"]["name"]] = one["spec"]["volumeClaimTemplates"][0]["spec"]
    return {name: claim["resources"]["requests"]["storage"] for name, claim in asked.items()}


def identity(item: Manifest) -> tuple[str, str, str]:
    """Return by what Kubernetes tells an object from others."""
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]
