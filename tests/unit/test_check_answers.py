"""How `fabgan pipeline check` learns of a cluster: from kubectl, or from a file of its answers."""

import json
from pathlib import Path

import pytest

from fabgan.cli import main
from fabgan.components.core.errors import UserError
from fabgan.pipeline.checks.cluster import ask, read
from tests.conftest import ROOT
from tests.fab_cluster import RUNS, a_kubectl, faultless, object_of
from tests.manifests import Manifest


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return faultless(tmp_path_factory.mktemp("cluster"))


def test_answers_in_json_may_follow_each_other_in_one_file(sound: list[Manifest], tmp_path: Path) -> None:
    answers = [{"items": sound[:5]}, {"items": sound[5:-1]}, sound[-1]]
    (tmp_path / "answers.json").write_text("\n".join(json.dumps(one, indent=4) for one in answers))
    assert read(tmp_path / "answers.json").objects == sound


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
