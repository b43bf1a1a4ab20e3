"""What a cluster lacks is named before anything is submitted, one planted fault at a time."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fabgan.cli import main
from tests.conftest import ROOT
from tests.fab_cluster import RUNS, faultless, object_of, write
from tests.manifests import Manifest

Plant = Callable[[list[Manifest]], Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return faultless(tmp_path_factory.mktemp("cluster"))


def find(objects: list[Manifest], kind: str, name: str, namespace: str = "") -> Manifest:
    """Return an object to change."""
    (found,) = [
        one
        for one in objects
        if one.get("kind") == kind
        and one["metadata"]["name"] == name
        and (not namespace or one["metadata"].get("namespace") == namespace)
    ]
    return found


def without(kind: str, name: str, namespace: str = RUNS) -> Plant:
    return lambda objects: objects.remove(find(objects, kind, name, namespace))


def within(kind: str, name: str, namespace: str, *path: Any, value: Any) -> Plant:
    """Return a plant that sets what a path of keys leads to, or deletes it if the value is None."""

    def plant(objects: list[Manifest]) -> None:
        place = find(objects, kind, name, namespace)
        for key in path[:-1]:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return plant


def added(*more: Manifest) -> Plant:
    return lambda objects: objects.extend(copy.deepcopy(list(more)))


def greedy_pod() -> Manifest:
    requests = {"resources": {"requests": {"cpu": "600m", "memory": "1Gi"}}}
    return object_of("Pod", "greedy", "other", spec={"nodeName": "one", "containers": [requests]})


def pod_without_image() -> Manifest:
    status = {"image": "registry.fab.example/fabgan:2", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    return object_of("Pod", "step", RUNS, spec={"containers": []}, status={"containerStatuses": [status]})


def full_disk(objects: list[Manifest]) -> None:
    objects[-1]["pods"][0]["volume"][0]["availableBytes"] = 2**30


def open_namespace(objects: list[Manifest]) -> None:
    for one in [one for one in objects if one.get("kind") == "NetworkPolicy" and one["metadata"]["namespace"] == RUNS]:
        objects.remove(one)


DRIVER = ("spec", "template", "spec", "containers", 0, "env")
ALWAYS = "spec: {templateDefaults: {retryStrategy: {retryPolicy: Always}}}"
QUOTA = object_of(
    "ResourceQuota", "team", RUNS, spec={"hard": {"limits.memory": "4Gi"}}, status={"used": {"limits.memory": "2Gi"}}
)
FAULTS: dict[str, tuple[Plant, str]] = {
    "a node too small": (
        within("Node", "one", "", "status", "allocatable", "cpu", value="400m"),
        "no node can hold a pod, which requests 0.6 CPU",
    ),
    "a node that is full": (added(greedy_pod()), "no node has 0.6 CPU, 2.06 GiB left"),
    "no node that takes pods": (
        within("Node", "one", "", "spec", "unschedulable", value=True),
        "there is none that takes it",
    ),
    "a tainted node": (
        within("Node", "one", "", "spec", "taints", value=[{"key": "gpu", "effect": "NoSchedule"}]),
        "there is none that takes it",
    ),
    "a quota that is used up": (added(QUOTA), "quota team: limits.memory is 4Gi, of which 2Gi is used"),
    "no namespace": (without("Namespace", RUNS, ""), f"namespace {RUNS}: missing"),
    "no secret of MLflow": (without("Secret", "fabgan-mlflow"), "Secret fabgan-mlflow: missing"),
    "a secret without a key": (
        within("Secret", "fabgan-s3", RUNS, "data", "AWS_SECRET_ACCESS_KEY", value=None),
        "Secret fabgan-s3: AWS_SECRET_ACCESS_KEY is missing",
    ),
    "no secret of the registry": (without("Secret", "fabgan-registry"), "Secret fabgan-registry: missing"),
    "no addresses": (without("ConfigMap", "fabgan-endpoints"), "ConfigMap fabgan-endpoints: missing"),
    "an address too few": (
        within("ConfigMap", "fabgan-endpoints", RUNS, "data", "AWS_DEFAULT_REGION", value=None),
        "ConfigMap fabgan-endpoints: AWS_DEFAULT_REGION is missing",
    ),
    "no authority": (
        within("ConfigMap", "fabgan-endpoints", RUNS, "data", "AWS_CA_BUNDLE", value="/etc/fabgan-ca/ca.crt"),
        f"ConfigMap fabgan-ca: missing in the namespace {RUNS}, or without ca.crt, which AWS_CA_BUNDLE",
    ),
    "pods of any right": (
        within("Namespace", "fabgan", "", "metadata", "labels", "pod-security.kubernetes.io/enforce", value="baseline"),
        "pod-security.kubernetes.io/enforce is baseline",
    ),
    "no way to MLflow": (without("NetworkPolicy", "fabgan-runs-to-mlflow"), "cannot connect to MLflow"),
    "no way into MLflow": (
        without("NetworkPolicy", "pipelines-to-mlflow.kubeflow-user", "fabgan"),
        "MLflow takes no connection from runs",
    ),
    "no way into the store": (
        within("NetworkPolicy", "pipelines-to-object-store.kubeflow-user", "fabgan", "spec", "ingress", value=[]),
        "the object store takes no connection",
    ),
    "no way to names": (without("NetworkPolicy", "fabgan-runs-to-dns"), "cannot connect to DNS"),
    "no way to Kubeflow": (
        within("NetworkPolicy", "fabgan-runs-to-kubeflow", RUNS, "spec", "egress", 0, "ports", value=[{"port": 80}]),
        "cannot connect to Kubeflow's API server",
    ),
    "another Kubernetes API": (
        within("Endpoints", "kubernetes", "default", "subsets", 0, "addresses", 0, "ip", value="10.0.0.7"),
        "cannot connect to the Kubernetes API at 10.0.0.7",
    ),
    "no policies": (open_namespace, f"nothing keeps runs of {RUNS} from connecting anywhere"),
    "errors are tried again": (
        within("ConfigMap", "workflow-controller-configmap", "kubeflow", "data", "workflowDefaults", value=ALWAYS),
        "Argo's retryPolicy is Always: a wrong value in the form is tried several times",
    ),
    "evictions are not tried again": (
        within("ConfigMap", "workflow-controller-configmap", "kubeflow", "data", "workflowDefaults", value=""),
        "Argo's retryPolicy is OnFailure",
    ),
    "a driver from outside": (
        within(
            "Deployment",
            "ml-pipeline",
            "kubeflow",
            *DRIVER,
            value=[{"name": "V2_DRIVER_IMAGE", "value": "ghcr.io/kubeflow/kfp-driver:2.17.0"}],
        ),
        "V2_DRIVER_IMAGE of ml-pipeline names it",
    ),
    "an image that is not there": (
        added(pod_without_image()),
        "image registry.fab.example/fabgan:2: the pod step cannot pull it",
    ),
    "MLflow that is not ready": (
        within("Deployment", "mlflow", "fabgan", "status", value={}),
        "deployment mlflow: no pod of it is ready",
    ),
    "a full disk": (full_disk, "the object store has 1.0 GiB left"),
    "a disk that nobody knows": (lambda objects: objects.pop(), "the free disk of the object store is not known"),
}


def checked(folder: Path, objects: list[Manifest], *more: str, params: Path = ROOT / "params.yaml") -> int:
    dump = folder / "dump.yaml"
    write(dump, objects)
    image = "--image=registry.fab.example/fabgan:1"
    return main(["pipeline", "check", f"--namespace={RUNS}", f"--dump={dump}", f"--params={params}", image, *more])


def test_a_sound_namespace_passes(sound: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, sound) == 0
    assert capsys.readouterr().out == f"nothing stands in the way of a run in the namespace {RUNS}\n"


def test_a_sound_namespace_with_the_services_of_the_fab_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(tmp_path, faultless(tmp_path, "existing-services")) == 0, capsys.readouterr().out


def test_an_authority_that_is_there_is_no_fault(sound: list[Manifest], tmp_path: Path) -> None:
    objects = copy.deepcopy(sound)
    FAULTS["no authority"][0](objects)
    assert checked(tmp_path, [object_of("ConfigMap", "fabgan-ca", RUNS, data={"ca.crt": "PEM"}), *objects]) == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named_alone_with_what_to_do(
    fault: str, sound: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant, words = FAULTS[fault]
    objects = copy.deepcopy(sound)
    plant(objects)
    assert checked(tmp_path, objects) == 1
    said = capsys.readouterr()
    what, do = said.out.splitlines()
    assert words in what
    assert do.startswith("    ")
    assert said.err == f"fabgan: error: 1 fault(s) stand in the way of a run in the namespace {RUNS}\n"


def test_a_size_is_compared_with_the_nodes(
    sound: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(tmp_path, sound, "--size=large") == 1
    assert "which requests 8.1 CPU, 32.06 GiB; the largest, one, has 1 CPU, 3.00 GiB" in capsys.readouterr().out
    assert checked(tmp_path, sound, "--size=huge") == 1
    assert "expected one of demo, small, large" in capsys.readouterr().err


def test_the_claim_for_checkpoints_is_looked_for(
    sound: list[Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["kubeflow"]["checkpoint_claim"] = "checkpoints"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    assert checked(tmp_path, sound, params=tmp_path / "params.yaml") == 1
    assert "PersistentVolumeClaim checkpoints: missing" in capsys.readouterr().out
    claim = object_of("PersistentVolumeClaim", "checkpoints", RUNS, status={"phase": "Lost"})
    assert checked(tmp_path, [claim, *sound], params=tmp_path / "params.yaml") == 1
    assert "its volume is lost" in capsys.readouterr().out
