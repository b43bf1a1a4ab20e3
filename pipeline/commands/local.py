"""A pipeline on this machine: its steps in processes or in containers, by Kubeflow's own local runner.

What is finished is kept: the same command goes on where it stopped. Containers get what a strict cluster would give
them: a read-only root, no capabilities, a numeric user, a memory limit, and no network unless a service or
a git server was named.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import docker
import psutil
from kfp import local
from kfp.local import docker_task_handler, subprocess_task_handler

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import digest, load_yaml
from fabgan.components.core.provenance import git_commit
from fabgan.components.ingest.sources.dvc_repository import SCHEME as GIT
from fabgan.components.ingest.sources.folder import list_folder

from ..definitions.cluster import USER, place_locally
from .compile import pipelines
from .form import chosen

Runner = Literal["subprocess", "docker"]
COLOURS = re.compile(r"\x1b\[\d+m")
EXECUTOR = "[KFP Executor "
LAST_LINES = 20
MEMORY_SHARE = 0.9
PASSED_ON = ("MLFLOW_", "AWS_", "OMP_")
"""Environment variables with these beginnings go into the containers: they name services, and the number of threads,
on which the last bits of the weights depend."""


@dataclass
class _Run:
    """One run: where its files lie, what its steps find in their environment, and what a failing one said."""

    root: Path
    environment: dict[str, str]
    failure: list[str] = field(default_factory=list)

    def follow(self, lines: Iterable[str], end: Callable[[], int]) -> int:
        """Show the log of a step as it comes; return the step's exit status, and keep the last lines of a bad one."""
        tail: deque[str] = deque(maxlen=LAST_LINES)
        for line in _of_the_step(lines):
            sys.stdout.write(line)
            tail.append(line)
        status = end()
        if status != 0 and not self.failure:
            self.failure = [*tail, f"(exit status {status})\n"]
        return status


def _of_the_step(lines: Iterable[str]) -> Iterator[str]:
    """Return what a step said, without what Kubeflow's executor says around it."""
    inside = False
    for line in lines:
        if inside:
            inside = line.rstrip() != "}"
        elif line.startswith(EXECUTOR):
            inside = line.rstrip().endswith("executor_input:")
        else:
            yield line


def run_pipeline(name: str, image: str, params: Path, asked: Mapping[str, str], runner: Runner, root: Path) -> Path:
    """Run the pipeline `name` with the values `asked` of its form; return its page, or `root` where it makes none.

    Its files lie below `root`. Raises UserError with the last lines of the log where a step fails, and for a form that
    does not fit.
    """
    pipeline = pipelines(image, params, place_locally)[name]
    form = _absolute(chosen(pipeline, asked))
    root = root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    run = _Run(root, _environment(root, digest([name, form, load_yaml(params), git_commit()])))
    local_runner, identity = _containers(run, image, form) if runner == "docker" else (_processes(run), "")
    cache = root / "cache" / digest([identity, _state(form)])[:16]
    local.init(local_runner, pipeline_root=str(root), enable_caching=True, cache_root=str(cache))
    started_s = time.time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # that the image's name does not speak of Python
        warnings.simplefilter("ignore", UserWarning)  # that resources have no effect here
        try:
            pipeline(**form)
        except RuntimeError as error:
            last_lines = "".join(run.failure) or "nothing\n"
            failed = COLOURS.sub("", str(error))
            raise UserError(f"{failed}\nThe failed step's last words:\n{last_lines}") from error
    return _page(root, started_s)


def _page(root: Path, since_s: float) -> Path:
    """Copy the page that a run has made since then to where a person finds it; without one, return the root."""
    pages = [path for path in root.glob("*/*/page") if path.stat().st_mtime >= since_s]
    return Path(shutil.copyfile(pages[0], root / "report.html")) if pages else root


def _absolute(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form with a source on this machine by its whole path: steps work in other folders."""
    source = form.get("data_source")
    return dict(form) | ({"data_source": str(Path(source).absolute())} if source and Path(source).exists() else {})


def _state(form: Mapping[str, Any]) -> list[str]:
    """Return what tells whether a folder of photographs has changed: no revision pins it."""
    source = Path(form.get("data_source", ""))
    return (
        [f"{file.path} {file.version}" for file in list_folder(source).files]
        if source.is_absolute() and source.is_dir()
        else []
    )


def _environment(root: Path, identity: str) -> dict[str, str]:
    passed_on = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    own = {
        "FABGAN_RUN": identity,
        "FABGAN_CHECKPOINTS": str(root / "checkpoints"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
    }
    return own | passed_on


def _processes(run: _Run) -> local.SubprocessRunner:
    """Return the runner of processes."""

    def run_process(full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        with subprocess.Popen(  # noqa: S603
            full_command,
            cwd=run.root,
            env=os.environ | run.environment | dict(env_vars or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            return run.follow(process.stdout or [], process.wait)

    subprocess_task_handler.run_local_subprocess = run_process
    return local.SubprocessRunner(use_venv=False)


def _containers(run: _Run, image: str, form: Mapping[str, Any]) -> tuple[local.DockerRunner, str]:
    """Return the runner of containers, and the digest of their image.

    Kubeflow's own way of waiting for a container takes some that failed for successes: one that ended quickly is
    removed before its status is read. This one is removed after.
    """
    try:
        client = docker.from_env()
        identity = str(client.images.get(image).id)
    except docker.errors.ImageNotFound as error:
        raise UserError(f"{image}: the Docker engine has no such image; `make image` builds it") from error
    except docker.errors.DockerException as error:
        raise UserError(f"no Docker engine answers ({error}); start one, or set DOCKER_HOST") from error

    def run_container(client: Any, image: str, command: list[str], volumes: Mapping[str, Any], **options: Any) -> int:
        container = client.containers.run(image, command, detach=True, volumes=volumes, **options)
        try:
            lines = (line.decode(errors="replace") for line in container.logs(stream=True, follow=True))
            return run.follow(lines, lambda: int(container.wait()["StatusCode"]))
        finally:
            container.remove(force=True)

    docker_task_handler.run_docker_container = run_container
    return local.DockerRunner(**_strict(run, form)), identity


def shown_folder(source: str) -> Path | None:
    """Return what a source of data reads of this machine, or None for one that lies elsewhere."""
    address = urlsplit(source.removeprefix(GIT))
    here_too = address.scheme in ("", "file") and address.path.startswith("/") and Path(address.path).exists()
    return Path(address.path) if here_too else None


def _on_a_git_server(source: str) -> bool:
    return source.startswith(GIT) and urlsplit(source.removeprefix(GIT)).scheme not in ("", "file")


def _strict(run: _Run, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a container is run: with as little as a step needs."""
    user = os.getuid() or USER
    if not os.getuid():
        for path in [run.root, *run.root.rglob("*")]:
            os.chown(path, user, user, follow_symlinks=False)
    data_source = form.get("data_source", "")
    source = shown_folder(data_source)
    shown = [docker.types.Mount(str(source), str(source), type="bind", read_only=True)] if source else []
    gpus = int(form.get("gpus", 0))
    services = any(value.startswith(("http:", "https:")) for value in run.environment.values())
    return {
        "user": f"{user}:{user}",
        "read_only": True,
        "tmpfs": {"/tmp": "rw,exec,size=4g"},  # noqa: S108
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": round(MEMORY_SHARE * psutil.virtual_memory().total),
        "shm_size": "1g",
        "network_mode": "host" if services or _on_a_git_server(data_source) else "none",
        "working_dir": str(run.root),
        "environment": run.environment,
        "mounts": shown,
        "device_requests": [docker.types.DeviceRequest(count=gpus, capabilities=[["gpu"]])] if gpus else [],
    }
