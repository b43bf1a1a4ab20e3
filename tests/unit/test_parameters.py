import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabgan.components.augment.parameters import AugmentParameters
from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import (
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    digest,
    load_yaml,
    parameters,
    parse,
)
from fabgan.components.steps import parse_sections
from tests.conftest import PARAMETERS


@parameters
class Example:
    batch_size: PositiveInt
    seed: NonNegativeInt
    rate: PositiveFloat
    share: Share
    sizes_px: tuple[PositiveInt, ...]
    grey: bool


GOOD = {"batch_size": 8, "seed": 0, "rate": 0.5, "share": 1, "sizes_px": [64], "grey": False}


def refusal(change: dict[str, object]) -> str:
    with pytest.raises(UserError) as refused:
        parse(Example, GOOD | change, "params.yaml", "train")
    return str(refused.value)


def test_whole_numbers_that_arrive_as_floats_are_ints() -> None:
    parsed = parse(Example, GOOD | {"batch_size": 8.0, "sizes_px": [64.0]}, "params.yaml")
    assert (parsed.batch_size, parsed.sizes_px) == (8, (64,))
    assert isinstance(parsed.batch_size, int)


def test_exponents_that_yaml_reads_as_strings_are_numbers(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("rate: 2e-4")
    assert load_yaml(file)["rate"] == "2e-4"
    assert parse(Example, GOOD | load_yaml(file), "params.yaml").rate == 0.0002


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "params.yaml: train.batch_size: expected a positive int, got 0"),
        ({"batch_size": True}, "train.batch_size: expected a positive int, got True"),
        ({"batch_size": 1.5}, "train.batch_size: expected a positive int, got 1.5"),
        ({"batch_size": "many"}, "train.batch_size: expected a positive int, got 'many'"),
        ({"seed": -1}, "train.seed: expected an int of 0 or more, got -1"),
        ({"rate": "nan"}, "train.rate: expected a positive number, got 'nan'"),
        ({"share": 1.1}, "train.share: expected a share between 0 and 1, got 1.1"),
        ({"sizes_px": [64, 0]}, "train.sizes_px.1: expected a positive int, got 0"),
        ({"batch_sise": 8}, "train.batch_sise: unknown key (known here: batch_size, seed"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(change: dict[str, object], message: str) -> None:
    assert message in refusal(change)


@pytest.mark.parametrize(
    ("section", "key", "address"),
    [
        ("ingest", "source", "git+https://fabuser:S3cret@git.fab/fab.git#data"),
        ("ingest", "source", "s3://KEY:S3cret/+@bucket/lots"),
        ("train", "start_from", "https://fabuser:S3cret@mlflow.fab/model"),
        ("evaluate", "extractor_file", "s3://KEY:S3cret@bucket/nets/fab.pt"),
        ("evaluate", "inception_file", "https://store.fab/inception.pt?X-Amz-Signature=S3cret"),
    ],
)
def test_an_address_with_a_secret_is_refused_without_saying_it(section: str, key: str, address: str) -> None:
    sections = {**PARAMETERS, section: {**PARAMETERS[section], key: address}}
    with pytest.raises(
        UserError, match=f"^params.yaml: {section}.{key}: a user, password or query in an add"
    ) as refused:
        parse_sections(sections, "params.yaml")
    assert "S3cret" not in str(refused.value)


def test_the_address_of_a_model_is_refused_without_saying_its_secret() -> None:
    asked = {"model": "http://fabuser:S3cret@mlflow.fab", "first": 0, "count": 1, "seed": 0, "label": ""}
    with pytest.raises(UserError, match="model: a user, password or query in an address") as refused:
        parse(AugmentParameters, asked, "fabgan augment")
    assert "S3cret" not in str(refused.value)
    assert parse(AugmentParameters, asked | {"model": "models:/bga@champion"}, "fabgan augment").count == 1


def test_a_secret_in_the_place_of_another_value_is_not_said() -> None:
    assert (
        refusal({"seed": "http://fabuser:S3cret@mlflow.fab"}) == "params.yaml: train.seed: expected an int of 0 or more"
    )


def test_missing_keys_are_named() -> None:
    with pytest.raises(UserError, match=r"params.yaml: train.batch_size: missing"):
        parse(Example, {key: value for key, value in GOOD.items() if key != "batch_size"}, "params.yaml", "train")


def test_every_mistake_is_told_at_once() -> None:
    message = refusal({"batch_size": 0, "seed": -1})
    assert "train.batch_size" in message
    assert "train.seed" in message


@pytest.mark.parametrize("content", ["- a list", "a: [unclosed", "just words"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=str(file)):
        load_yaml(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("train:\n  seed: 1\ntrain:\n  rate: 2\n", "the key train is given twice, line 1 and line 3"),
        ("a: {b: 1, 'b': 1}", "the key b is given twice, line 1 and line 1"),
        ("a:\n  b: 2024-02-30", "not a value, line 2: day is out of range for month"),
        ("a: !!int x", "not a value, line 1: invalid literal"),
        ("a: !!bool x", "not a value, line 1"),
        ("a: !!timestamp x", "not a value, line 1"),
        (f"a: {'1' * 5000}", "not a value, line 1: Exceeds the limit"),
        ("a: " + "[" * 100_000, "maximum recursion depth"),
    ],
)
def test_yaml_that_python_cannot_hold_is_refused_with_the_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=re.escape(f"{file}: not valid YAML: {message}")):
        load_yaml(file)


def test_keys_that_are_merged_may_be_replaced(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("a: {b: &b {<<: &c {d: 1, e: 1}, d: 2}}\nf: {<<: *b, d: 3}\n<<: *c\n<<: {g: 1}\n")
    assert load_yaml(file) == {"a": {"b": {"d": 2, "e": 1}}, "f": {"d": 3, "e": 1}, "d": 1, "e": 1, "g": 1}


def test_what_is_no_yaml_is_refused_without_saying_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("source: s3://KEY:S3cret@bucket: x")
    with pytest.raises(UserError, match="not valid YAML: mapping values are not allowed here") as refused:
        load_yaml(file)
    assert "S3cret" not in str(refused.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.yaml: cannot be read"):
        load_yaml(tmp_path / "no.yaml")


@given(st.dictionaries(st.text(), st.integers()))
def test_digest_does_not_depend_on_the_order_of_keys(content: dict[str, int]) -> None:
    assert digest(content) == digest(dict(reversed(content.items())))


@parameters
class Nested:
    inner: Example
    many: list[Example]


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"inner": GOOD | {"bach": 1}, "many": []}, "inner.bach"),
        ({"inner": GOOD, "many": [GOOD | {"bach": 1}]}, "many.0.bach"),
    ],
)
def test_an_unknown_key_is_answered_with_the_keys_of_its_own_section(content: object, key: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(Nested, content, "params.yaml", "train")
    assert str(refused.value) == f"params.yaml: train.{key}: unknown key (known here: {', '.join(GOOD)})"
