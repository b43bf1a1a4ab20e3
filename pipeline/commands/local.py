"""Run a pipeline on this machine with Kubeflow's local runner: its steps in processes or in containers.

Finished steps are kept, so the same command resumes after an interruption. Containers are as restricted as in a strict
cluster: a read-only root, no capabilities, a numeric user and a memory limit. They have no network unless the
environment names a service or `data_source` names a git server.
"""

import os
import re
import shutil
import subprocess
import sys
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
from fabgan.components.core.signals import stopped_with_us
from fabgan.components.ingest.sources.dvc_repository import SCHEME as GIT
from fabgan.components.ingest.sources.folder import list_folder

from ..definitions.cluster import place_locally
from ..definitions.parameters import AUTHORITIES, USER
from .compile import PAGES, pipeline_of
from .form import chosen

Runner = Literal["subprocess", "docker"]
COLOURS = re.compile(r"\x1b\[\d+m")
EXECUTOR = "[KFP Executor "
LAST_LINES = 20
MEMORY_SHARE = 0.9
PASSED_ON = ("MLFLOW_", "AWS_", "OMP_")
"""Environment variables with these prefixes are passed to the steps. They name services and set the number of threads,
on which the last bits of the weights depend."""


@dataclass
class _Run:
    """One run: the folder of its files, the environment of its steps, and the log of the first step that failed."""

    root: Path
    environment: dict[str, str]
    failure: list[str] = field(default_factory=list)

    def follow(self, lines: Iterable[str], end: Callable[[], int]) -> int:
        """Print the log of a step line by line and return its exit status; keep the last lines if it is not 0."""
        tail: deque[str] = deque(maxlen=LAST_LINES)
        for line in _step_lines(lines):
            sys.stdout.write(line)
            tail.append(line)
        status = end()
        if status != 0 and not self.failure:
            self.failure = [*tail, f"(exit status {status})\n"]
        return status


def _step_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a step's log, without those of Kubeflow's executor around them."""
    inside = False
    for line in lines:
        if inside:
            inside = line.rstrip() != "}"
        elif line.startswith(EXECUTOR):
            inside = line.rstrip().endswith("executor_input:")
        else:
            yield line


def run_pipeline(name: str, image: str, params: Path, asked: Mapping[str, str], runner: Runner, root: Path) -> Path:
    """Run the pipeline `name` with the form values `asked`; return its HTML page, or `root` if it makes none.

    All files of the run are below `root`. Raises UserError for wrong form values, and, with the last lines of its log,
    for a step that fails.
    """
    pipeline = pipeline_of(name, image, params, place_locally)
    form = _absolute(chosen(pipeline, asked))
    root = root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    run = _Run(root, _environment(root, digest([name, form, load_yaml(params), git_commit()])))
    local_runner, identity = _containers(run, image, form) if runner == "docker" else (_processes(run), "")
    cache = root / "cache" / digest([identity, _state(form)])[:16]
    local.init(local_runner, pipeline_root=str(root), enable_caching=True, cache_root=str(cache))
    earlier = _pages(root, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # kfp expects an image name that contains "python"
        warnings.simplefilter("ignore", UserWarning)  # the local runner ignores resource limits
        try:
            pipeline(**form)
        except RuntimeError as error:
            last_lines = "".join(run.failure) or "(no output)\n"
            failed = COLOURS.sub("", str(error))
            raise UserError(f"{failed}\nLast lines of the failed step's log:\n{last_lines}") from error
    return _page(root, name, earlier)


def _pages(root: Path, name: str) -> dict[Path, int]:
    """Return when each HTML page of the pipeline `name` was written, in ns of the clock of its file system."""
    return {path: path.stat().st_mtime_ns for path in root.glob(f"*/{PAGES[name]}/page")} if name in PAGES else {}


def _page(root: Path, name: str, earlier: Mapping[Path, int]) -> Path:
    """Copy the HTML page that is not an earlier one to `root`/report.html and return it; without one, return `root`."""
    pages = [path for path, written_ns in _pages(root, name).items() if earlier.get(path) != written_ns]
    return Path(shutil.copyfile(pages[0], root / "report.html")) if pages else root


def _absolute(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form with the absolute path of a local data source, because steps run in other folders."""
    source = form.get("data_source")
    return dict(form) | ({"data_source": str(Path(source).absolute())} if source and Path(source).exists() else {})


def _state(form: Mapping[str, Any]) -> list[str]:
    """Return the paths and versions of the files in a folder of photographs, which no revision pins."""
    source = form.get("data_source", "")
    folder = None if source.startswith(GIT) else shown_folder(source)
    return [f"{file.path} {file.version}" for file in list_folder(folder).files] if folder and folder.is_dir() else []


def _environment(root: Path, identity: str) -> dict[str, str]:
    passed_on = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    for name in passed_on.keys() & AUTHORITIES:
        if passed_on[name]:
            passed_on[name] = str(Path(passed_on[name]).absolute())
    own = {
        "FABGAN_RUN": identity,
        "FABGAN_CHECKPOINTS": str(root / "checkpoints"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
    }
    return own | passed_on


def _processes(run: _Run) -> local.SubprocessRunner:
    """Return Kubeflow's runner of processes, changed to follow the log of each step."""

    def run_process(full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        process = subprocess.Popen(  # noqa: S603
            full_command,
            cwd=run.root,
            env=os.environ | run.environment | dict(env_vars or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with process, stopped_with_us(process):
            return run.follow(process.stdout or [], process.wait)

    subprocess_task_handler.run_local_subprocess = run_process
    return local.SubprocessRunner(use_venv=False)


def _containers(run: _Run, image: str, form: Mapping[str, Any]) -> tuple[local.DockerRunner, str]:
    """Return Kubeflow's runner of containers, and the digest of their image.

    Kubeflow's own function may remove a container before its status is read. A container that failed quickly then
    counts as a success. `run_container` removes it after reading the status.
    """
    try:
        client = docker.from_env()
        identity = str(client.images.get(image).id)
    except docker.errors.ImageNotFound as error:
        raise UserError(f"{image}: the Docker engine has no such image; build it with `make image`") from error
    except docker.errors.DockerException as error:
        raise UserError(f"--runner docker: no Docker engine answers ({error}); start one or set DOCKER_HOST") from error

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
    """Return the local path that a data source reads, or None for a source outside this machine."""
    if _on_a_git_server(source):
        return None
    path = Path(urlsplit(source.removeprefix(GIT)).path if source.startswith(GIT) else source)
    return path if path.is_absolute() and path.exists() else None


def _on_a_git_server(source: str) -> bool:
    return source.startswith(GIT) and urlsplit(source.removeprefix(GIT)).scheme not in ("", "file")


def _authorities(environment: Mapping[str, str]) -> set[Path]:
    """Return the files of authorities that an environment names. Raises UserError for one that is missing."""
    named = {name: Path(environment[name]) for name in AUTHORITIES if environment.get(name)}
    for name, path in named.items():
        if not path.exists():
            raise UserError(f"{name}: {path}: no such file; set it to the PEM file of your authority, or unset it")
    return set(named.values())


def _strict(run: _Run, form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a step's container, which grant no more than a step needs."""
    user = os.getuid() or USER
    if not os.getuid():
        for path in [run.root, *run.root.rglob("*")]:
            os.chown(path, user, user, follow_symlinks=False)
    data_source = form.get("data_source", "")
    shown = {source} if (source := shown_folder(data_source)) else set()
    shown |= _authorities(run.environment)
    gpus = int(form.get("pod_gpus", 0))
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
        "mounts": [docker.types.Mount(str(path), str(path), type="bind", read_only=True) for path in sorted(shown)],
        "device_requests": [docker.types.DeviceRequest(count=gpus, capabilities=[["gpu"]])] if gpus else [],
    }
