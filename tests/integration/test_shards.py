"""Sets of generated images that several computers put into a bucket together."""

import json
from pathlib import Path

import pytest

from fabgan.components.core.files import read_json
from fabgan.components.services.storage import upload
from tests.fab import Fab, images_in
from tests.servers.bucket import Bucket

pytestmark = pytest.mark.integration
COUNT = 20


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Fab:
    """A registry with a generator, and a folder of the first images of it."""
    fab = Fab(tmp_path_factory.mktemp("shards") / "fab", packages, tracking_uri=None)
    fab.train_and_publish()
    assert augmented(fab, "local", 0, COUNT) == (0, "")
    return fab


def augmented(fab: Fab, out: str, first: int, count: int, seed: int = 7) -> tuple[int, str]:
    """Run augment; return its exit status and its last words, if it failed."""
    ask = ["--model=models:/bga-generator@candidate", f"--seed={seed}", f"--out={out}"]
    status, said = fab.fabgan("augment", *ask, f"--first={first}", f"--count={count}")
    return status, said.splitlines()[-1] if status else ""


def gathered(fab: Fab, out: str, count: int = COUNT) -> tuple[int, str]:
    """Run gather; return its exit status and what it said."""
    return fab.fabgan("gather", f"--out={out}", f"--count={count}")


@pytest.fixture
def puts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what is put from now on."""
    keys: list[str] = []

    def upload_and_tell(content: bytes, bucket: str, key: str, metadata: dict[str, str]) -> None:
        upload(content, bucket, key, metadata)
        keys.append(key)

    monkeypatch.setattr("fabgan.components.augment.shards.upload", upload_and_tell)
    return keys


def test_shards_gathered_are_the_same_set_as_one_computer_makes(fab: Fab, bucket: Bucket) -> None:
    out = bucket.url("sets/a")
    assert augmented(fab, out, 13, COUNT - 13) == (0, "")
    assert augmented(fab, out, 0, 13) == (0, "")
    assert gathered(fab, out) == (0, "")
    assert json.loads(bucket.get("sets/a/manifest.json")) == read_json(fab.folder / "local" / "manifest.json")
    for name in images_in(fab.folder / "local"):
        assert bucket.get(f"sets/a/{name}") == (fab.folder / "local" / name).read_bytes()


def test_a_folder_can_hold_a_shard(fab: Fab) -> None:
    assert augmented(fab, "shard", 13, 4) == (0, "")
    made = images_in(fab.folder / "shard")
    assert sorted(made) == [f"{index:06d}.png" for index in range(13, 17)]
    assert made.items() <= images_in(fab.folder / "local").items()


def test_what_is_there_is_not_made_again(fab: Fab, bucket: Bucket, puts: list[str]) -> None:
    out = bucket.url("sets/a")
    augmented(fab, out, 4, 6)
    manifest = bucket.get("sets/a/shards/000004-6.json")
    bucket.remove("sets/a/000007.png")
    puts.clear()
    assert augmented(fab, out, 4, 6) == (0, "")
    assert puts == ["sets/a/000007.png", "sets/a/shards/000004-6.json"]
    assert augmented(fab, out, 4, 6) == (0, "")
    assert puts[2:] == ["sets/a/shards/000004-6.json"]
    assert bucket.get("sets/a/shards/000004-6.json") == manifest


def test_a_shard_of_another_seed_does_not_replace_images(fab: Fab, bucket: Bucket, puts: list[str]) -> None:
    out = bucket.url("sets/a")
    augmented(fab, out, 0, 4)
    puts.clear()
    status, said = augmented(fab, out, 2, 4, seed=8)
    assert status == 1
    assert "holds other images already; nothing was changed" in said
    assert puts == []


def test_what_is_missing_or_wrong_is_named(fab: Fab, bucket: Bucket) -> None:
    out = bucket.url("sets/a")
    augmented(fab, out, 0, 4)
    augmented(fab, out, 6, 4)
    assert "images 4 to 5 are in no shard; generate them with augment --first 4 --count 2" in gathered(fab, out, 10)[1]
    augmented(fab, out, 4, 2, seed=8)
    assert "the shards from 0 and from 4 differ in model, seed or label" in gathered(fab, out, 10)[1]
    bucket.remove("sets/a/shards/000004-2.json")
    bucket.remove("sets/a/000004.png")
    bucket.remove("sets/a/000005.png")
    augmented(fab, out, 4, 2)
    assert "the shards hold images from 9 on, more than the 9 requested" in gathered(fab, out, 9)[1]
    assert "images 10 to 11 are in no shard" in gathered(fab, out, 12)[1]
    bucket.remove("sets/a/000008.png")
    assert "1 images of the shards are missing, such as 000008.png" in gathered(fab, out, 10)[1]
    assert "sets/a/manifest.json" not in bucket.objects()


def test_shards_of_an_earlier_run_with_another_number_of_them_do_no_harm(fab: Fab, bucket: Bucket) -> None:
    out = bucket.url("sets/a")
    for first, count in ((0, 3), (3, 3), (0, 5), (5, 5)):
        augmented(fab, out, first, count)
    assert gathered(fab, out, 10) == (0, "")
    files = [image["file"] for image in json.loads(bucket.get("sets/a/manifest.json"))["images"]]
    assert files == [f"{index:06d}.png" for index in range(10)]
