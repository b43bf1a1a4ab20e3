"""As much of the API of Kubeflow Pipelines (v2beta1) as submitting needs, in memory, for Kubeflow's own client.

No Kubernetes runs where these tests do. This server checks what it is given as the real one would: the token, that a
pipeline parses, that the run's version exists and that every input has a value.
"""

import json
import ssl
import threading
import uuid
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import yaml

Reply = tuple[int, dict[str, Any]]
PREFIX = "/apis/v2beta1"


@dataclass
class State:
    """What the server holds, and how the runs that it is asked about go on."""

    token: str = ""
    run_states: list[str] = field(default_factory=lambda: ["PENDING", "RUNNING", "SUCCEEDED"])
    run_error: str = ""
    tasks: list[dict[str, Any]] = field(default_factory=list)
    """What it says of the tasks of a run."""
    logs: dict[str, str] = field(default_factory=dict)
    """Logs by the name of their pod, which Kubeflow's UI serves beside the API."""
    failing_polls: int = 0
    """How many questions for a run are answered by status 503."""
    pipelines: list[dict[str, str]] = field(default_factory=list)
    versions: list[dict[str, str]] = field(default_factory=list)
    specifications: dict[str, Any] = field(default_factory=dict)
    experiments: list[dict[str, str]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    def get(self, path: str, query: dict[str, list[str]]) -> Reply:
        wanted = [p["string_value"] for p in _predicates(query)]
        if path == "/healthz":
            return 200, {"multi_user": False}
        if path == "/pipelines":
            namespace = _namespace(query)
            found = [p for p in self.pipelines if p["display_name"] in wanted and p["namespace"] == namespace]
            return 200, {"pipelines": found} if found else {}
        if path.endswith("/versions"):
            found = [version for version in self.versions if any(one in version["display_name"] for one in wanted)]
            return 200, {"pipeline_versions": found} if found else {}
        if path == "/experiments":
            found = [experiment for experiment in self.experiments if experiment["display_name"] in wanted]
            return 200, {"experiments": found} if found else {}
        if self.failing_polls > 0:
            self.failing_polls -= 1
            return 503, {"message": "try later"}
        self.asked += 1
        state = self.run_states[min(self.asked, len(self.run_states)) - 1]
        error = {"error": {"code": 2, "message": self.run_error}} if state == "FAILED" else {}
        details = {"run_details": {"task_details": self.tasks}}
        return 200, {"run_id": path.rsplit("/", 1)[1], "state": state, **details, **error}

    def upload(self, path: str, query: dict[str, list[str]], content: bytes) -> Reply:
        specification = next(yaml.safe_load_all(content))
        if "pipelineInfo" not in specification:
            return 400, {"message": "not a pipeline"}
        name = query["name"][0]
        shown = {"display_name": query.get("display_name", [name])[0], "description": query.get("description", [""])[0]}
        pipeline_id = query["pipelineid"][0] if path.endswith("upload_version") else str(uuid.uuid4())
        if path.endswith("upload"):
            made = {"name": name, "namespace": _namespace(query)}
            if any(made.items() <= pipeline.items() for pipeline in self.pipelines):
                return 409, {"message": f"the pipeline {name} is there already"}
            self.pipelines.append(made | shown | {"pipeline_id": pipeline_id})
        version = {"pipeline_id": pipeline_id, "pipeline_version_id": str(uuid.uuid4()), **shown}
        self.versions.append(version)
        self.specifications[version["pipeline_version_id"]] = specification
        return 200, version

    def post(self, path: str, body: dict[str, Any]) -> Reply:
        if path == "/experiments":
            self.experiments.append(body | {"experiment_id": str(uuid.uuid4())})
            return 200, self.experiments[-1]
        version = self.specifications.get(body["pipeline_version_reference"]["pipeline_version_id"])
        if version is None:
            return 404, {"message": "no such pipeline version"}
        inputs = version["root"]["inputDefinitions"]["parameters"]
        given = body["runtime_config"]["parameters"]
        strangers = given.keys() - inputs.keys()
        missing = [name for name, spec in inputs.items() if "defaultValue" not in spec and name not in given]
        if strangers or missing:
            return 400, {"message": f"parameters: unknown {sorted(strangers)}, missing {missing}"}
        self.runs.append(body | {"run_id": str(uuid.uuid4())})
        return 200, self.runs[-1]


def _namespace(query: dict[str, list[str]]) -> str:
    """Return the namespace that is asked for; without one, what all share."""
    return query.get("namespace", [""])[0]


def _predicates(query: dict[str, list[str]]) -> list[dict[str, str]]:
    predicates: list[dict[str, str]] = json.loads(query.get("filter", ['{"predicates": []}'])[0])["predicates"]
    return [p | {"string_value": p.get("string_value", p.get("stringValue", ""))} for p in predicates]


class KubeflowServer(ThreadingHTTPServer):
    """The server on a free port of loopback, with TLS where a certificate is given; a context manager."""

    def __init__(self, state: State, certificate: tuple[str, str] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "KubeflowServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: KubeflowServer

    def do_GET(self) -> None:
        address = urlparse(self.path)
        if address.path == "/k8s/pod/logs":
            log = self.server.state.logs.get(parse_qs(address.query)["podname"][0])
            self._send(*((200, log) if log is not None else (404, "pod not found")))
            return
        self._answer(lambda: self.server.state.get(address.path.removeprefix(PREFIX), parse_qs(address.query)))

    def do_POST(self) -> None:
        address = urlparse(self.path)
        path = address.path.removeprefix(PREFIX)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if "/upload" in path:
            part = _uploaded(self.headers, content)
            self._answer(lambda: self.server.state.upload(path, parse_qs(address.query), part))
        else:
            self._answer(lambda: self.server.state.post(path, json.loads(content)))

    def _answer(self, reply: Any) -> None:
        token = self.server.state.token
        allowed = not token or self.headers.get("authorization") == f"Bearer {token}"
        status, body = reply() if allowed else (401, {"message": "no valid token"})
        self._send(status, json.dumps(body))

    def _send(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _uploaded(headers: Message, content: bytes) -> bytes:
    boundary = b"--" + headers.get_param("boundary").encode()  # type: ignore[union-attr]
    return content.split(boundary)[1].split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
