"""Submit a pipeline to Kubeflow: upload a version, start a run, follow it. Each version is uploaded only once."""

import json
import ssl
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.log import logger
from fabgan.components.core.network import check_address, check_header
from fabgan.components.steps import load_content

from .compile import PAGES, compile_to, pipeline_of
from .failure import failed_task, last_error, message_of, pod_names, step_of
from .form import check_form, chosen
from .naming import run_name, version_key, version_name

POLL_S = 10.0
PATIENCE_S = 600.0
"""How long `follow` keeps asking a server that does not report the state of a run."""
TIMEOUT_S = 10.0
RESULTS = {
    "training": f"the report is the artifact `page` of the step {PAGES['training']}, tab Visualization",
    "sweep": f"the table is the artifact `page` of the step {PAGES['sweep']}, tab Visualization",
    "defects": f"the gains are the artifact `page` of the step {PAGES['defects']}, and the images are of make-defects",
    "augmentation": "the images and their manifest.json are in the bucket, at the `destination` of the form",
}
FINAL_STATES = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "ERROR")


@dataclass(frozen=True)
class Run:
    """A run that was started, with the address of its page."""

    identifier: str
    url: str
    result: str = ""
    """Where a person finds what the run came to."""


class TokenFile:
    """A bearer token in a file. Kubeflow's client reads it before every call, so it may be renewed at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refresh_api_key_hook(self, config: Any) -> None:
        """Write the current token into the client's configuration. Raises UserError if the file holds none."""
        config.api_key["authorization"] = _token_in(self.path)


class Kubeflow:
    """A Kubeflow Pipelines server."""

    def __init__(self, host: str, namespace: str, token_file: Path | None, ca_file: Path | None) -> None:
        """Connect. Raises UserError for a host with a secret, an unreadable file or a server that does not answer."""
        check_address(host, "--host", "--token-file")
        self.host, self.namespace = host.rstrip("/"), namespace
        self.token_file, self.ca_file = token_file, ca_file
        if ca_file:
            _check_authority(ca_file)
        with self._errors():
            from kfp import Client

            self._check_health()
            self.client = Client(
                host=self.host,
                namespace=namespace or "kubeflow",
                credentials=TokenFile(token_file) if token_file else None,
                ssl_ca_cert=str(ca_file) if ca_file else None,
            )

    def _check_health(self) -> None:
        """Fail at once if the server does not answer. Kubeflow's client retries for 30 s and logs every attempt."""
        from kfp_server_api import ApiException

        answer = self._get("apis/v2beta1/healthz", {})
        if answer.status != HTTPStatus.OK:
            raise ApiException(answer.status, answer.reason)

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        """Return the server's answer to a plain question, which Kubeflow's client does not ask."""
        from urllib3 import PoolManager

        headers = {"authorization": f"Bearer {_token_in(self.token_file)}"} if self.token_file else {}
        authority = str(self.ca_file) if self.ca_file else None
        with PoolManager(ca_certs=authority, retries=False, timeout=TIMEOUT_S) as pool:
            return pool.request("GET", f"{self.host}/{path}", fields=dict(query), headers=headers)

    def submit(self, name: str, image: str, params: Path, asked: Mapping[str, str], experiment: str) -> Run:
        """Upload the pipeline `name`, unless the server has this version, and start a run of it."""
        pipeline = pipeline_of(name, image, params)
        values = chosen(pipeline, asked)
        check_form(name, load_content(params), values)
        with tempfile.TemporaryDirectory() as folder:
            compile_to(file := Path(folder) / f"{name}.yaml", pipeline)
            with self._errors():
                version = self._version(pipeline, file)
                found = self.client.create_experiment(experiment, namespace=self.namespace or None)
                run = self.client.run_pipeline(
                    experiment_id=found.experiment_id,
                    job_name=run_name(name, values),
                    pipeline_id=version.pipeline_id,
                    version_id=version.pipeline_version_id,
                    params=values,
                )
        return Run(run.run_id, f"{self.host}/#/runs/details/{run.run_id}", RESULTS[name])

    def follow(self, run: Run) -> None:
        """Log every state of the run until it ends, and then where its result is.

        Raises UserError with the failed step and its last line of error if the run fails, or if the server does not
        answer for PATIENCE_S.
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
            raise UserError(f"{run.url}: the run ended as {state}: {self.reason(found)}")
        if run.result:
            logger(run.identifier).info("%s: %s", run.url, run.result)

    def reason(self, found: Any) -> str:
        """Return the step of a failed run that failed, with its last line of error."""
        tasks = (found.run_details.task_details if found.run_details else None) or []
        task, general = failed_task(tasks), found.error.message if found.error else ""
        if task is None:
            return general or "see the log of the failed step there"
        log = self._log(found.run_id, task.pod_name) if task.pod_name else ""
        return f"{step_of(task, tasks)}: {last_error(log) or message_of(task) or general or 'see its log there'}"

    def _log(self, run_id: str, node: str) -> str:
        """Return the log of a step's pod, which Kubeflow's UI serves; empty if it cannot be had."""
        namespace = {"podnamespace": self.namespace or "kubeflow"}
        for pod in pod_names(node):
            with suppress(UserError), self._errors():
                answer = self._get("k8s/pod/logs", {"podname": pod, "runid": run_id} | namespace)
                if answer.status == HTTPStatus.OK:
                    return str(answer.data.decode(errors="replace"))
        return ""

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

    def _version(self, pipeline: Any, file: Path) -> Any:
        """Return the pipeline's version that equals this file, by the digest in its name; upload it if it is not there.

        A pipeline that somebody uploaded under its other name, such as fabgan-training, gets the version too.
        """
        shown, digest = pipeline.pipeline_spec.pipeline_info.display_name, sha256_of_file(file)
        found = self._known(shown) or self._known(pipeline.name) or self._upload(pipeline, shown, file)
        pipeline_id = found.pipeline_id
        known = self.client.list_pipeline_versions(pipeline_id, filter=_named("IS_SUBSTRING", version_key(digest)))
        if known.pipeline_versions:
            return known.pipeline_versions[0]
        name = version_name(digest, datetime.now(UTC).date())
        return self.client.upload_pipeline_version(
            str(file), name, pipeline_id=pipeline_id, description=pipeline.description
        )

    def _known(self, shown: str) -> Any | None:
        """Return the pipeline that is shown by this name, or None."""
        found = self.client.list_pipelines(namespace=self.namespace or None, filter=_named("EQUALS", shown)).pipelines
        return found[0] if found else None

    def _upload(self, pipeline: Any, shown: str, file: Path) -> Any:
        """Upload a pipeline with the name that people read. kfp's own function for that takes one name only."""
        namespace = {"namespace": self.namespace} if self.namespace else {}
        summary = pipeline.description.partition("\n")[0]
        return self.client._upload_api.upload_pipeline(
            str(file), name=pipeline.name, display_name=shown, description=summary, **namespace
        )

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


def _named(operation: str, name: str) -> str:
    """Return Kubeflow's filter for objects whose display name compares so with `name`."""
    return json.dumps({"predicates": [{"operation": operation, "key": "display_name", "stringValue": name}]})


def _token_in(path: Path) -> str:
    """Return the token in a file. Raises UserError, without the token, for a file that cannot be read or sent."""
    try:
        token = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    check_header(token, str(path))
    return token


def _check_authority(path: Path) -> None:
    """Raise a UserError for a file without a certificate."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise UserError(f"{path}: holds no certificate in PEM; convert it, or name another --ca-file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return "no reason given"
