"""How `fabgan pipeline check` learns of a cluster: from kubectl, or from a file of its answers."""

import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fabgan.cli import main
from fabgan.components.core.errors import UserError
from fabgan.pipeline.checks.cluster import ask, read
from tests.conftest import ROOT
from tests.fab_cluster import RUNS, a_kubectl, faultless, object_of
from tests.manifests import Manifest, of_kind


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return faultless(tmp_path_factory.mktemp("cluster"))


def test_answers_in_json_may_follow_each_other_in_one_file(sound: list[Manifest], tmp_path: Path) -> None:
    answers = [{"items": sound[:5]}, {"items": sound[5:-1]}, sound[-1]]
    (tmp_path / "answers.json").write_text("\n".join(json.dumps(one, indent=4) for one in answers))
    assert read(tmp_path / "answers.json").objects == sound


class _Api(BaseHTTPRequestHandler):
    """The answers of a cluster that has Secrets alone."""

    secrets: ClassVar[list[Manifest]]

    def do_GET(self) -> None:
        kind = {"name": "secrets", "singularName": "secret", "namespaced": True, "kind": "Secret", "verbs": ["list"]}
        answers: dict[str, Any] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [kind]},
            f"/api/v1/namespaces/{RUNS}/secrets": {"kind": "SecretList", "apiVersion": "v1", "items": self.secrets},
        }
        found = answers.get(self.path.partition("?")[0])
        content = json.dumps(found or {}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def test_the_command_of_the_guide_keeps_the_keys_of_secrets_and_none_of_their_values(
    sound: list[Manifest], tmp_path: Path
) -> None:
    secrets = [one for one in of_kind(sound[:-1], "Secret") if one["metadata"].get("namespace") == RUNS]
    empty = object_of("Secret", "empty", RUNS, data={"key": ""})
    _Api.secrets = [{"apiVersion": "v1"} | one for one in (*secrets, empty)]
    guide = (ROOT / "docs" / "kubeflow.md").read_text()
    (command,) = re.findall(r"^    (kubectl get secrets .*?) >> answers\.json$", guide, re.MULTILINE | re.DOTALL)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = command.replace("=kubeflow-user", f"={RUNS} --server=http://127.0.0.1:{server.server_port}")
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    (tmp_path / "answers.json").write_text(done.stdout)
    kept = {one["metadata"]["name"]: one["data"] for one in read(tmp_path / "answers.json").objects}
    keys = {one["metadata"]["name"]: {key for key, value in one["data"].items() if value} for one in _Api.secrets}
    assert {name: {key for key, value in data.items() if value} for name, data in kept.items()} == keys
    assert {value for data in kept.values() for value in data.values()} == {"kept secret", ""}
    assert not [line for line in guide.splitlines() if "get secrets" in line and "json" in line]


@pytest.mark.parametrize("content", ["", "a: [", "just text", "- 1\n", '{"items": []}', '{"items": ['])
def test_a_file_that_is_no_dump_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "dump.yaml").write_text(content)
    with pytest.raises(UserError, match=r"dump\.yaml: (neither YAML nor JSON|expected objects of Kubernetes)"):
        read(tmp_path / "dump.yaml")
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        read(tmp_path / "none.yaml")


def test_kubectl_is_asked_for_everything(
    sound: list[Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = object_of("Pod", "object-store-0", "fabgan", spec={"nodeName": "one", "containers": []})
    objects = [*sound[:-1], store]
    (tmp_path / "objects.json").write_text(json.dumps({"items": objects, "summary": sound[-1]}))
    script = f"""
answers = json.load(open({str(tmp_path / "objects.json")!r}))
kinds = {{one["kind"] for one in answers["items"]}}
asked = sys.argv[2].split(",")
found = [one for one in answers["items"] if one["kind"].lower() + "s" in asked or one["kind"].lower() in asked
    or one["kind"] == "NetworkPolicy" and "networkpolicies" in asked]
namespace = [word.partition("=")[2] for word in sys.argv if word.startswith("--namespace=")]
if namespace:
    found = [one for one in found if one["metadata"].get("namespace") == namespace[0]]
print(json.dumps(answers["summary"] if sys.argv[2] == "--raw" else {{"items": found}}))
"""
    monkeypatch.setenv("PATH", a_kubectl(tmp_path / "bin", script))
    image = "--image=registry.fab.example/fabgan:1"
    assert main(["pipeline", "check", f"--namespace={RUNS}", f"--params={ROOT / 'params.yaml'}", image]) == 0


def test_a_question_that_kubectl_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", a_kubectl(tmp_path / "bin", "sys.exit('nodes is forbidden')"))
    with pytest.raises(UserError, match="kubectl get nodes,namespaces --output=json: nodes is forbidden"):
        ask("vision")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="kubectl is not in the PATH"):
        ask("vision")
