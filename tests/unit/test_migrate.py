"""A params.yaml of an older schema is refused with what to do, and brought up to date with its comments."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from fabgan.cli import main
from fabgan.commands.migrate import WITHOUT_SUCCESSOR, migrate
from fabgan.components.core.errors import UserError
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.steps import load_parameters

OLD = """\
# our lines
ingest: {source: data/photographs}
crop_resize: {sizes_px: [128]}
train:
  image_size_px: 128
  total_images: 100
  step: region_wise  # fast
  seamless:
    judge_learning_rate: 4e-4  # tuned by us
    last_rate: 0.05
    beta1: 0.7
evaluate: {}
publish: {}
presets:
  night:
    train: {total_images: 5, seamless: {slope_weight: 0.2}}
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(OLD)
    return path


def test_an_older_schema_is_refused_with_the_command_that_helps(old: Path) -> None:
    with pytest.raises(UserError, match=r"schema: 1, but this version reads schema 4: run `fabgan migrate"):
        load_parameters(old)


def test_a_migrated_file_keeps_values_and_comments_and_says_what_is_lost(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--params", str(old)]) == 0
    text = old.read_text()
    assert re.search("discriminator_learning_rate: 4e-4 +# tuned by us", text)
    assert "# our lines" in text
    content = yaml.safe_load(text)
    assert content["schema"] == 4
    assert content["train"]["seamless"].keys() == {"discriminator_learning_rate", "final_lr_fraction"}
    assert content["presets"]["night"]["train"] == {"total_images": 5, "seamless": {"r1_gamma": 0.2}}
    train = load_parameters(old)["train"]
    assert (train.seamless.discriminator_learning_rate, train.seamless.final_lr_fraction) == (4e-4, 0.05)
    said = capsys.readouterr().out.splitlines()
    assert "train.seamless.beta1: removed; its value was 0.7, this version always uses 0.5" in said
    assert "train.step: removed" in said
    assert "presets.night.train.seamless.slope_weight: renamed to r1_gamma" in said


SECOND = """\
schema: 2
ingest: {source: data/photographs}
crop_resize: {sizes_px: [128]}
train: {image_size_px: 128, total_images: 100}
evaluate:
  seed: 5  # ours
  max_share_of_untrained: 0.2  # at most
  min_diversity: 0.9
  min_ser: 0.9
presets:
  night:
    evaluate: {min_diversity: 0.5, max_ser: 1.1}
"""


def test_limits_of_measures_that_are_gone_are_taken_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(SECOND)
    with pytest.raises(UserError, match="schema: 2, but this version reads schema 4: run `fabgan migrate"):
        load_parameters(path)
    assert main(["migrate", "--params", str(path)]) == 0
    content = yaml.safe_load(path.read_text())
    assert content["evaluate"] == {"seed": 5, "min_ser": 0.9}
    assert content["presets"]["night"]["evaluate"] == {"max_ser": 1.1}
    assert re.search("seed: 5 +# ours", path.read_text())
    lost = "which means nothing for the measures of this version: see evaluate"
    assert capsys.readouterr().out.splitlines() == [
        f"evaluate.max_share_of_untrained: removed; its value was 0.2, {lost}.max_distance",
        f"evaluate.min_diversity: removed; its value was 0.9, {lost}.min_share",
        f"presets.night.evaluate.min_diversity: removed; its value was 0.5, {lost}.min_share",
        f"{path}: schema 4",
    ]
    evaluate = load_parameters(path)["evaluate"]
    assert evaluate == EvaluateParameters(seed=5, min_ser=0.9)


def test_a_file_that_needs_no_migration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("schema: 3\ntrain: {seed: 5}\n")
    for said in ("schema 4", "schema 4 already, so nothing was changed"):
        assert main(["migrate", "--params", str(path)]) == 0
        assert capsys.readouterr().out == f"{path}: {said}\n"


def test_the_keys_that_a_migration_names_are_keys_of_this_version() -> None:
    known = {field.name for field in fields(EvaluateParameters)}
    assert set(WITHOUT_SUCCESSOR.values()) <= known
    assert not {key.removeprefix("evaluate.") for key in WITHOUT_SUCCESSOR} & known


def test_migrating_again_changes_nothing(old: Path) -> None:
    migrate(old)
    first = old.read_text()
    assert migrate(old) == []
    assert old.read_text() == first


def test_a_schema_that_is_text_is_told_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("schema: '4'  # ours\ntrain: {image_size_px: 128, total_images: 10}\n")
    with pytest.raises(UserError, match=r"schema: '4', which is no number, but this version .*: run `fabgan migrate"):
        load_parameters(path)
    assert migrate(path) == ["schema: the text '4' is a number now"]
    assert path.read_text().startswith("schema: 4  # ours\n")
    path.write_text("schema: '3'\nkubeflow: {steps: {train: {cpu: 1}}}\n")
    assert len(migrate(path)) == 2
    assert yaml.safe_load(path.read_text())["schema"] == 4


@pytest.mark.parametrize(
    ("section", "said"),
    [("on: push", r"True \(on, off, yes or no without quotes\)"), ("1: x", "1"), ("1: x\nzoo: y", "1, zoo")],
)
def test_a_section_whose_name_is_no_text_is_named(section: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"schema: 4\n{section}\n")
    with pytest.raises(UserError, match=rf"params.yaml: {said}: unknown section \(known: ingest, "):
        load_parameters(path)


def test_a_newer_schema_is_refused_and_left_alone(old: Path) -> None:
    old.write_text("schema: 99\n" + OLD)
    for attempt in (migrate, load_parameters):
        with pytest.raises(UserError, match=r"schema: .*99"):
            attempt(old)
    assert old.read_text() == "schema: 99\n" + OLD


UGLY = """\
train:
  image_size_px: 128
  total_images: 10
  seamless:
    beta1: 0.5
    # about the discriminators
    judge_learning_rate: 1e-4

    # about slope
    slope_every_steps: 8

  # after seamless
  paper:
    beta1: 0.5
    beta2: 0.999
# about evaluate
evaluate: {seed: 1}
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_comment_of_ones_own_stays(newline: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(UGLY.replace("\n", newline).encode())
    migrate(path)
    text = path.read_bytes().decode()
    assert re.findall("#.*about.*|#.*after.*", text) == re.findall("#.*about.*|#.*after.*", UGLY.replace("\n", newline))
    content = yaml.safe_load(text)
    assert content["train"]["seamless"] == {"discriminator_learning_rate": "1e-4"}
    assert content["train"]["paper"] == {}


@pytest.mark.parametrize(
    "content",
    [
        "base: &b {judge_learning_rate: 1e-4, beta1: 0.5}\ntrain: {seamless: {<<: *b}}\n",
        "schema: 2\nbase: &b {min_diversity: 0.7}\nevaluate: {<<: *b}\n",
        "train: {seamless: {judge_learning_rate: 1e-4, discriminator_learning_rate: 5e-4}}\n",
        "schema: two\n",
        "schema:\n",
    ],
    ids=["merged keys", "merged limits", "both names", "a word", "nothing"],
)
def test_what_cannot_be_migrated_is_one_line_and_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as refused:
        migrate(path)
    assert "\n" not in str(refused.value)
    assert path.read_text() == content


@pytest.mark.parametrize("content", ["presets: [a]\n", "train: 5\n", "presets: {a: }\n"])
def test_odd_shapes_are_no_traceback(content: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(content)
    assert main(["migrate", "--params", str(tmp_path / "params.yaml")]) == 0
    assert main(["preset", "a", "--params", str(tmp_path / "params.yaml")]) == 1


def test_an_alias_is_migrated_where_its_anchor_is(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("presets: {a: {train: {seamless: &s {slope_weight: 1}}}, b: {train: {seamless: *s}}}\n")
    migrate(path)
    presets = yaml.safe_load(path.read_text())["presets"]
    assert presets["a"] == presets["b"] == {"train": {"seamless": {"r1_gamma": 1}}}


THIRD = """\
schema: 3
ingest: {source: data/photographs}
crop_resize: {sizes_px: [128]}
train: {image_size_px: 128, total_images: 100}
kubeflow:
  endpoints: ours
  steps:
    settings: {cpu: "1", memory: 2Gi, hours: 0.5, retries: 3}
    train: {cpu: "8", memory: 32Gi, hours: 7, retries: 2}  # a week
"""


def test_resources_of_steps_are_taken_out_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(THIRD)
    assert main(["migrate", "--params", str(path)]) == 0
    content = yaml.safe_load(path.read_text())
    assert content["kubeflow"]["steps"]["train"] == {"hours": 7, "retries": 2}
    assert content["kubeflow"]["endpoints"] == "ours"
    assert "# a week" in path.read_text()
    said = capsys.readouterr().out
    words = "its value was 8; write kubeflow.sizes to choose resources by size"
    assert f"kubeflow.steps.train.cpu: removed; {words}" in said
