"""What an administrator applies, rendered as kubectl renders it, keeps what it promises."""

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from fabgan.pipeline.checks.surroundings import MIN_FREE_BYTES
from tests.conftest import VERSION
from tests.manifests import (
    DEPLOY,
    NODES,
    OVERLAYS,
    RUNS,
    Manifest,
    containers,
    example_with,
    job,
    named,
    of_kind,
    openings,
    pods,
    render,
)

IMAGES = yaml.safe_load((DEPLOY / "images.yaml").read_text())["images"]
REGISTRY = "registry.fab.example/"
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
TO_KUBEFLOW = {
    (RUNS, "ml-pipeline", 8887),
    (RUNS, "ml-pipeline", 8888),
    (RUNS, "metadata-grpc-server", 8080),
    *((RUNS, store, port) for store in ("seaweedfs", "minio") for port in (8333, 9000)),
    *((RUNS, "192.0.2.1/32", port) for port in (443, 6443)),
}
TO_DNS = {(who, "kube-dns", 53) for who in ("*", RUNS, NODES)}
INSIDE = {(RUNS, "mlflow", 5000), (NODES, "mlflow", 5000), (NODES, NODES, 1024)}
WITH_STORES = {
    ("mlflow", "postgresql", 5432),
    ("mlflow", "object-store", 8333),
    ("make-buckets", "object-store", 8333),
    ("backup", "object-store", 8333),
    ("backup", "postgresql", 5432),
    (RUNS, "object-store", 8333),
}
TO_THE_FAB = {("mlflow", "192.0.2.2/32", 5432), ("mlflow", "192.0.2.3/32", 443), (RUNS, "192.0.2.3/32", 443)}
TO_GIT = {(RUNS, "192.0.2.4/32", 443)}


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(DEPLOY / "overlays" / request.param)


@pytest.fixture(scope="module", params=[*OVERLAYS, "jobs"])
def applied(request: pytest.FixtureRequest) -> list[Manifest]:
    """What an overlay applies, or the single jobs."""
    if request.param == "jobs":
        return [job(path.stem) for path in sorted((DEPLOY / "jobs").iterdir())]
    return render(DEPLOY / "overlays" / request.param)


@pytest.fixture(scope="module")
def example() -> list[Manifest]:
    return render(DEPLOY / "overlays/example")


def mirrored(image: Manifest) -> str:
    """Return the path of a listed image in a registry: its name without the host it comes from."""
    host, _, path = image["name"].partition("/")
    return f"{path if '.' in host else image['name']}:{image['tag']}"


def test_namespace_refuses_pods_below_the_restricted_standard(overlay: list[Manifest]) -> None:
    labels = named(overlay, "Namespace", "fabgan")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_meet_the_restricted_standard(applied: list[Manifest]) -> None:
    for name, pod in pods(applied):
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert all(set(volume) - {"name"} <= VOLUMES for volume in pod.get("volumes", [])), name


def test_containers_have_no_rights_and_a_root_that_cannot_be_written(applied: list[Manifest]) -> None:
    expected = {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for name, pod in pods(applied):
        assert all(container["securityContext"] == expected for container in containers(pod)), name


def test_containers_say_what_they_need_at_least_and_at_most(applied: list[Manifest]) -> None:
    for name, pod in pods(applied):
        for container in containers(pod):
            resources = container["resources"]
            assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}, name


def test_servers_are_probed(overlay: list[Manifest]) -> None:
    servers = dict(pods(of_kind(overlay, "Deployment", "StatefulSet")))
    assert "mlflow" in servers
    for name, pod in servers.items():
        for container in pod["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), name


def test_no_pod_gets_a_token_of_the_kubernetes_api(overlay: list[Manifest]) -> None:
    assert all(pod["automountServiceAccountToken"] is False for _, pod in pods(overlay))
    accounts = {item["metadata"]["name"]: item for item in of_kind(overlay, "ServiceAccount")}
    assert {pod["serviceAccountName"] for _, pod in pods(overlay)} == accounts.keys()
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())


def test_every_image_is_listed_and_comes_from_the_registry_of_the_fab(applied: list[Manifest]) -> None:
    used = {container["image"] for _, pod in pods(applied) for container in containers(pod)}
    assert all(image.startswith(REGISTRY) for image in used)
    assert {image.removeprefix(REGISTRY) for image in used} <= {mirrored(image) for image in IMAGES}


def test_fabgan_is_of_the_projects_version_wherever_deploy_names_one() -> None:
    assert [image["tag"] for image in IMAGES if image["name"] == "fabgan"] == [VERSION]
    named = yaml.safe_load((DEPLOY / "components" / "settings" / "kustomization.yaml").read_text())["images"]
    assert named == [{"name": "fabgan", "newTag": VERSION}]
    manifests = "".join(path.read_text() for path in DEPLOY.rglob("*.yaml"))
    assert "image: fabgan:" not in manifests
    assert set(re.findall(r"image: \S+/fabgan:(.*)", manifests)) == {VERSION}


def test_everything_is_denied_in_both_directions_at_first(overlay: list[Manifest]) -> None:
    for name, namespace in (("default-deny", "fabgan"), ("fabgan-runs-deny", "kubeflow-user")):
        policy = named(overlay, "NetworkPolicy", name)
        assert policy["metadata"]["namespace"] == namespace
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        assert not {"ingress", "egress"} & policy["spec"].keys()
    assert named(overlay, "NetworkPolicy", "default-deny")["spec"]["podSelector"] == {}


@pytest.mark.parametrize(
    ("name", "out", "entrances"),
    [
        ("example", INSIDE | WITH_STORES, INSIDE | WITH_STORES),
        ("existing-services", INSIDE | TO_THE_FAB | TO_GIT, INSIDE | {("ingress-nginx", "mlflow", 5000)}),
    ],
)
def test_openings_are_these_and_no_others(
    name: str, out: set[tuple[str, str, int]], entrances: set[tuple[str, str, int]]
) -> None:
    manifests = render(DEPLOY / "overlays" / name)
    assert openings(manifests, "egress") == out | TO_KUBEFLOW | TO_DNS
    assert openings(manifests, "ingress") == entrances


def test_an_overlay_opens_the_way_to_a_git_server_by_what_it_has_in_comments(tmp_path: Path) -> None:
    overlay = example_with(tmp_path, "- ../../components/git-server", "gitCidr:")
    opened = openings(render(overlay), "egress") - openings(render(DEPLOY / "overlays/example"), "egress")
    assert opened == TO_GIT


def test_mlflow_alone_touches_its_tables_and_migrates_them_before_it_starts(overlay: list[Manifest]) -> None:
    spec = named(overlay, "Deployment", "mlflow")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert [item["name"] for item in spec["template"]["spec"]["initContainers"]] == ["migrate", "migrate-users"]


def test_lists_of_processes_show_no_secret(overlay: list[Manifest]) -> None:
    for name, pod in pods(overlay):
        for container in containers(pod):
            secret = {item["name"] for item in container.get("env", []) if "secretKeyRef" in item.get("valueFrom", {})}
            words = [*container.get("command", []), *container.get("args", [])]
            assert not [word for word in words for one in secret if f"$({one})" in word], f"{name}: {container['name']}"


def environment(container: Manifest) -> dict[str, Any]:
    """Return a container's environment as far as it is written in the manifest."""
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def test_mlflow_answers_to_the_name_that_pipelines_call(overlay: list[Manifest]) -> None:
    (server,) = named(overlay, "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    endpoints = [item for item in of_kind(overlay, "ConfigMap") if item["metadata"]["name"] == "fabgan-endpoints"]
    assert {item["metadata"]["namespace"] for item in endpoints} == {"fabgan", "kubeflow-user"}
    for item in endpoints:
        assert {"AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION", "MLFLOW_TRACKING_URI"} <= item["data"].keys()
        called = urlsplit(item["data"]["MLFLOW_TRACKING_URI"]).netloc
        assert called in environment(server)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")


def test_nothing_reports_to_its_makers(example: list[Manifest]) -> None:
    (server,) = named(example, "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    (store,) = named(example, "StatefulSet", "object-store")["spec"]["template"]["spec"]["containers"]
    assert environment(server)["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "-master.telemetry=false" in store["command"]


def test_bucket_of_mlflow_is_made(example: list[Manifest]) -> None:
    (server,) = named(example, "Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    (job,) = named(example, "Job", "make-buckets")["spec"]["template"]["spec"]["containers"]
    (destination,) = [word for word in server["command"] if word.startswith("--artifacts-destination=proxied-s3://")]
    assert destination.removeprefix("--artifacts-destination=proxied-s3://") in job["command"]


def test_the_first_volumes_of_the_object_store_fit_into_the_disk_that_is_asked_for(example: list[Manifest]) -> None:
    """SeaweedFS 4.48 makes seven volumes for each collection: for the two buckets, and for what belongs to none."""
    (store,) = named(example, "StatefulSet", "object-store")["spec"]["template"]["spec"]["containers"]
    (limit,) = [word for word in store["command"] if word.startswith("-master.volumeSizeLimitMB=")]
    assert 3 * 7 * int(limit.partition("=")[2]) * 10**6 <= MIN_FREE_BYTES


KUBEFLOW = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: ml-pipeline, namespace: kubeflow}
spec:
  template:
    spec:
      containers:
        - name: ml-pipeline-api-server
          image: api-server:1
          env:
            - {name: LOG_LEVEL, value: info}
            - {name: V2_DRIVER_IMAGE, value: from-outside:1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: workflow-controller, namespace: kubeflow}
spec:
  template:
    spec:
      containers:
        - name: workflow-controller
          image: workflow-controller:1
          args: [--configmap, settings, --executor-image, from-outside:1, --namespaced]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kubeflow-pipelines-profile-controller, namespace: kubeflow}
spec: {template: {spec: {containers: [{name: profile-controller, image: "python:1"}]}}}
"""
"""The parts of Kubeflow's manifests that the component changes."""


def patched_kubeflow(folder: Path, manifests: str) -> dict[str, Manifest]:
    shutil.copytree(DEPLOY / "kubeflow", folder / "fabgan")
    (folder / "kubeflow.yaml").write_text(manifests)
    (folder / "kustomization.yaml").write_text("resources: [kubeflow.yaml]\ncomponents: [fabgan]\n")
    return {name: pod["containers"][0] for name, pod in pods(render(folder))}


def test_kubeflow_is_pointed_at_mirrored_images_and_keeps_the_rest(tmp_path: Path) -> None:
    patched = patched_kubeflow(tmp_path, KUBEFLOW)
    server = environment(patched["ml-pipeline"])
    arguments = patched["workflow-controller"]["args"]
    frontend = environment(patched["kubeflow-pipelines-profile-controller"])["FRONTEND_IMAGE"]
    assert server["LOG_LEVEL"] == "info"
    assert [*arguments[:3], *arguments[4:]] == ["--configmap", "settings", "--executor-image", "--namespaced"]
    pulled = {server["V2_DRIVER_IMAGE"], server["V2_LAUNCHER_IMAGE"], arguments[3], f"{frontend}:2.17.0"}
    assert pulled <= {REGISTRY + mirrored(image) for image in IMAGES}


def test_kubeflow_with_other_arguments_is_refused_instead_of_broken(tmp_path: Path) -> None:
    moved = KUBEFLOW.replace("[--configmap, settings, --executor-image", "[--executor-image")
    with pytest.raises(AssertionError, match="test failed"):
        patched_kubeflow(tmp_path, moved)


def test_guide_names_what_is_there() -> None:
    guide = (DEPLOY.parent / "docs/air_gap.md").read_text()
    named = set(re.findall(r"deploy/[a-z_./-]*[a-z]", guide))
    paths = {path for path in named if not path.startswith("deploy/overlays/fab")}  # the administrator's own copy
    assert len(paths) > 5
    assert all((DEPLOY.parent / path).exists() for path in paths)
    hosts = {image["name"].partition("/")[0] for image in IMAGES if "." in image["name"].partition("/")[0]}
    assert all(f"#{host}/}}" in guide for host in hosts)
