"""The checks of a cluster: each starts a run, or looks at one that an earlier check started."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from fabgan.components.services.tracking.pipelines import FAILURE_TAG, PIPELINE_TAG
from fabgan.pipeline.commands.check import check

from .site import Site, function_of, steps_of
from .table import Check

IMAGES = 1400
"""Budget of each training: a tenth of the demo's, which is enough to go through every step."""
ALWAYS = ["evaluate", "finish", "publish", "settings"]
"""What the cache never supplies."""
OPEN, SHUT = ("mlflow.fabgan", 5000), ("ml-pipeline-ui.kubeflow", 80)
PROBE = """
import socket
for name, port in {places}:
    try:
        socket.create_connection((name, port), 5).close()
        print(name, "open")
    except OSError:
        print(name, "shut")
"""


def checks_of(site: Site, mlflow: Any) -> Mapping[str, Check]:
    """Return every check by its name, in the order in which they depend on each other."""
    return {
        "what the namespace lacks": partial(_nothing_lacks, site),
        "policies": partial(_policies, site),
        "a mistake": partial(_mistake, site),
        "training": partial(_training, site),
        "cache": partial(_cache, site),
        "a deleted pod": partial(_deleted_pod, site),
        "sweep": partial(_sweep, site),
        "augmentation": partial(_augmentation, site, mlflow),
        "defects": partial(_defects, site),
        "states in MLflow": partial(_states, site, mlflow),
        "report": partial(_report, site, mlflow),
    }


def _nothing_lacks(site: Site) -> str:
    found = check(site.params, site.image, namespace=site.namespace, size="demo", gpus=0, dump=None)
    if found:
        raise RuntimeError("; ".join(f"{one.what} ({one.do})" for one in found))
    return "fabgan pipeline check finds no fault"


def _policies(site: Site) -> str:
    """A pod with the labels of a run reaches MLflow, and nothing that no policy names."""
    name, where = "fabgan-cluster-check", f"--namespace={site.namespace}"
    site.kubectl.run("delete", "pod", name, where, "--ignore-not-found", "--wait")
    site.kubectl.run(
        "run", name, where, f"--image={site.image}", "--restart=Never", f"--overrides={_probe(site, name)}"
    )
    try:
        site.until(lambda: _phase(site, name), f"the pod {name} to end")
        said = site.kubectl.run("logs", name, where).split("\n")
    finally:
        site.kubectl.run("delete", "pod", name, where, "--ignore-not-found", "--wait=false")
    expected = [f"{OPEN[0]} open", f"{SHUT[0]} shut"]
    if said[:2] != expected:
        raise RuntimeError(f"expected {', '.join(expected)}; the pod says {', '.join(filter(None, said)) or 'nothing'}")
    return ", ".join(expected)


def _probe(site: Site, name: str) -> str:
    """Return the specification of a pod that tries the two addresses, within the standard `restricted`."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": name,
        "image": site.image,
        "command": ["python", "-c", PROBE.format(places=[OPEN, SHUT])],
        "securityContext": security,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
    }
    user = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": user, "imagePullSecrets": [{"name": "fabgan-registry"}]}
    return json.dumps({"metadata": {"labels": {"workflows.argoproj.io/workflow": name}}, "spec": spec})


def _phase(site: Site, name: str) -> str | None:
    pods = site.kubectl.items("pods", f"--namespace={site.namespace}", f"--field-selector=metadata.name={name}")
    phase = pods[0]["status"].get("phase") if pods else None
    return phase if phase in ("Succeeded", "Failed") else None


def _mistake(site: Site) -> str:
    """A bucket that is not there ends the run in its first step, with one line that names it."""
    run = site.started("a mistake", "training", data_source="s3://fabgan-no-such-bucket/photographs")
    found = site.ended(run)
    reason = site.kubeflow.reason(found)
    if found.state != "FAILED" or "fabgan-no-such-bucket" not in reason:
        raise RuntimeError(f"{run.url} ended as {found.state}: {reason}")
    return reason


def _training(site: Site) -> str:
    run = site.started("training", "training", total_images=IMAGES, seed=1)
    site.succeeded(run)
    return f"{run.url} succeeded: {', '.join(steps_of(site.step_pods(run)))}"


def _cache(site: Site) -> str:
    """The same run again takes from the cache whatever does not depend on the world."""
    site.run_of("training")
    run = site.started("cache", "training", total_images=IMAGES, seed=1)
    site.succeeded(run)
    found = steps_of(site.step_pods(run))
    if found != ALWAYS:
        raise RuntimeError(f"{run.url}: pods ran {', '.join(found)}; expected only {', '.join(ALWAYS)}")
    return f"only {', '.join(found)} ran"


def _deleted_pod(site: Site) -> str:
    """A training whose pod is deleted is started again, and ends well."""
    run = site.started("a deleted pod", "training", total_images=2 * IMAGES, seed=2)
    pod = site.until(lambda: _running(site, run, "train"), "the training to start")
    site.kubectl.run("delete", "pod", pod, f"--namespace={site.namespace}", "--wait=false")
    site.succeeded(run)
    return f"{pod} was deleted, and the run succeeded"


def _running(site: Site, run: Any, step: str) -> str | None:
    running = [pod for pod in site.step_pods(run) if pod["status"].get("phase") == "Running"]
    return next((str(pod["metadata"]["name"]) for pod in running if function_of(pod) == step), None)


def _sweep(site: Site) -> str:
    run = site.started("sweep", "sweep", total_images=IMAGES, seeds="[1, 2]", variants='["seamless"]')
    site.succeeded(run)
    return f"{run.url} succeeded"


def _augmentation(site: Site, mlflow: Any) -> str:
    """Two shards of the generator that the training registered."""
    parent = _parent(site, mlflow, "training")
    model = f"models:/bga-generator/{parent.data.metrics['publish.version']:.0f}"
    destination = f"s3://fabgan-data/cluster-check/{site.run_of('training').identifier}"
    run = site.started("augmentation", "augmentation", destination=destination, model=model, count=16, shards=2)
    site.succeeded(run)
    return f"16 images of {model} are in {destination}"


def _defects(site: Site) -> str:
    """A defect model of the embedded data set, hardly trained."""
    run = site.started("defects", "defects", image_size_px=128, images=10, runs=2, steps=20)
    site.succeeded(run)
    return f"{run.url} succeeded: {', '.join(steps_of(site.step_pods(run)))}"


def _states(site: Site, mlflow: Any) -> str:
    """Every run ended in MLflow as it did in Kubeflow, and none of its steps is left open."""
    expected = {name: "FAILED" if name == "a mistake" else "FINISHED" for name in site.runs if name != "augmentation"}
    for name, status in expected.items():
        parent = _parent(site, mlflow, name)
        if parent.info.status != status:
            why = parent.data.tags.get(FAILURE_TAG, "no reason given")
            raise RuntimeError(f"{name}: MLflow says {parent.info.status}, expected {status} ({why})")
        if left := [one.info.run_name for one in _below(mlflow, parent) if one.info.status == "RUNNING"]:
            raise RuntimeError(f"{name}: left running in MLflow: {', '.join(left)}")
    if not expected:
        raise RuntimeError("no run was started")
    return f"{len(expected)} runs ended as they did in Kubeflow, and no step is left running"


def _report(site: Site, mlflow: Any) -> str:
    parent = _parent(site, mlflow, "training")
    (step,) = [one for one in _below(mlflow, parent) if one.info.run_name == "evaluate"]
    folders = [one.path for one in mlflow.list_artifacts(step.info.run_id) if one.is_dir]
    files = [one.path for folder in folders for one in mlflow.list_artifacts(step.info.run_id, folder)]
    pages = [path for path in files if path.endswith("report.html")]
    if not pages:
        raise RuntimeError(f"the run of evaluate has no report.html: {', '.join(files) or 'no files'}")
    return f"{pages[0]} is in MLflow"


def _parent(site: Site, mlflow: Any, name: str) -> Any:
    """Return MLflow's run of a pipeline."""
    identifier = site.run_of(name).identifier
    experiments = [one.experiment_id for one in mlflow.search_experiments()]
    found = mlflow.search_runs(experiments, f"tags.`{PIPELINE_TAG}` = '{identifier}'")
    if len(found) != 1:
        raise RuntimeError(f"{name}: MLflow has {len(found)} runs of it, expected one")
    return found[0]


def _below(mlflow: Any, parent: Any) -> list[Any]:
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    return list(mlflow.search_runs([parent.info.experiment_id], query))
