"""Submit a pipeline to Kubeflow: upload a version, start a run, follow it. Each version is uploaded only once."""

import json
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.log import logger
from fabgan.components.steps import load_content

from ..definitions.training import steps_of
from ..pod.run import checked_sections
from .compile import compile_pipelines, pipelines
from .form import chosen

POLL_S = 10.0
PATIENCE_S = 600.0
"""How long `follow` keeps asking a server that does not report the state of a run."""
TIMEOUT_S = 10.0
FINAL_STATES = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "ERROR")


@dataclass(frozen=True)
class Run:
    """A run that was started, with the address of its page."""

    identifier: str
    url: str


class TokenFile:
    """A bearer token in a file. Kubeflow's client reads it before every call, so it may be renewed at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refresh_api_key_hook(self, config: Any) -> None:
        """Write the current token into the client's configuration. Raises UserError if the file cannot be read."""
        config.api_key["authorization"] = _content_of(self.path)


class Kubeflow:
    """A Kubeflow Pipelines server."""

    def __init__(self, host: str, namespace: str, token_file: Path | None, ca_file: Path | None) -> None:
        """Connect. Raises UserError for a file that cannot be read or a server that does not answer."""
        self.host, self.namespace = host.rstrip("/"), namespace
        token = _content_of(token_file) if token_file else None
        if ca_file:
            _content_of(ca_file)
        with self._errors():
            from kfp import Client

            self._check_health(token, ca_file)
            self.client = Client(
                host=self.host,
                namespace=namespace or "kubeflow",
                credentials=TokenFile(token_file) if token_file else None,
                ssl_ca_cert=str(ca_file) if ca_file else None,
            )

    def _check_health(self, token: str | None, ca_file: Path | None) -> None:
        """Fail at once if the server does not answer. Kubeflow's client retries for 30 s and logs every attempt."""
        from kfp_server_api import ApiException
        from urllib3 import PoolManager

        headers = {"authorization": f"Bearer {token}"} if token else {}
        with PoolManager(ca_certs=str(ca_file) if ca_file else None, retries=False, timeout=TIMEOUT_S) as pool:
            answer = pool.request("GET", f"{self.host}/apis/v2beta1/healthz", headers=headers)
        if answer.status != HTTPStatus.OK:
            raise ApiException(answer.status, answer.reason)

    def submit(self, name: str, image: str, params: Path, asked: Mapping[str, str], experiment: str) -> Run:
        """Upload the pipeline `name`, unless the server has this version, and start a run of it."""
        values = chosen(pipelines(image, params)[name], asked)
        if name == "training":
            checked_sections(steps_of(load_content(params)), values, values["pod_gpus"])
        with tempfile.TemporaryDirectory() as folder, self._errors():
            compile_pipelines(image, params, Path(folder) / "pipelines")
            version = self._version(f"fabgan-{name}", Path(folder) / "pipelines" / f"{name}.yaml")
            found = self.client.create_experiment(experiment, namespace=self.namespace or None)
            run = self.client.run_pipeline(
                experiment_id=found.experiment_id,
                job_name=f"fabgan-{name}",
                pipeline_id=version.pipeline_id,
                version_id=version.pipeline_version_id,
                params=values,
            )
        return Run(run.run_id, f"{self.host}/#/runs/details/{run.run_id}")

    def follow(self, run: Run) -> None:
        """Log every state of the run until it ends.

        Raises UserError if the run fails, or if the server does not answer for PATIENCE_S.
        """
        state = ""
        while state not in FINAL_STATES:
            if state:
                time.sleep(POLL_S)
            found = self._get_run(run)
            if found.state != state:
                state = found.state
                logger(run.identifier).info(state)
        if state != "SUCCEEDED":
            reason = found.error.message if found.error else "see the log of the failed step there"
            raise UserError(f"{run.url}: the run ended as {state}: {reason}")

    def _get_run(self, run: Run) -> Any:
        """Return the server's description of a run. Without an answer, ask again for PATIENCE_S."""
        until_s = 0.0
        while True:
            try:
                with self._errors():
                    return self.client.get_run(run.identifier)
            except UserError as error:
                if not until_s:
                    until_s = time.monotonic() + PATIENCE_S
                    logger("submit").warning("%s; the run continues, and submit asks for its state again", error)
                elif time.monotonic() > until_s:
                    raise UserError(f"{run.url}: the run continues, but submit cannot follow it: {error}") from error
            time.sleep(POLL_S)

    def _version(self, name: str, file: Path) -> Any:
        """Return the pipeline's version that equals this file, named by its digest; upload it if there is none."""
        version_name, namespace = sha256_of_file(file)[:12], self.namespace or None
        found = self.client.list_pipelines(namespace=namespace, filter=_named(name)).pipelines
        pipeline = found[0] if found else self.client.upload_pipeline(str(file), name, namespace=namespace)
        pipeline_id = pipeline.pipeline_id
        known = self.client.list_pipeline_versions(pipeline_id, filter=_named(version_name))
        if known.pipeline_versions:
            return known.pipeline_versions[0]
        return self.client.upload_pipeline_version(str(file), version_name, pipeline_id=pipeline_id)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of Kubeflow's client into a UserError that says what to fix."""
        from kfp_server_api import ApiException
        from urllib3.exceptions import HTTPError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                yield
        except ApiException as error:
            hint = "; check --token-file and --namespace" if error.status in (401, 403) else ""
            raise UserError(
                f"{self.host}: Kubeflow answers {error.status} {error.reason}: {_message(error)}{hint}"
            ) from error
        except (HTTPError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise UserError(f"{self.host}: Kubeflow cannot be reached: {reason}; check --host and --ca-file") from error


def _named(name: str) -> str:
    """Return Kubeflow's filter for objects of this display name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def _content_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return "no reason given"
