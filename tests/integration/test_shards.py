"""Sets of generated images that several computers put into a bucket together."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from fabgan.components.core.files import read_json
from fabgan.components.services.storage import upload
from fabgan.pipeline.pod import augmenting
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


def augmented(fab: Fab, out: str, first: int, count: int, seed: int = 7, per_file: int = 1) -> tuple[int, str]:
    """Run augment; return its exit status and its last words, if it failed."""
    ask = ["--model=models:/bga-generator@candidate", f"--seed={seed}", f"--out={out}", f"--images-per-file={per_file}"]
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


def test_what_is_there_is_not_made_again(
    fab: Fab, bucket: Bucket, puts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = bucket.url("sets/a")
    augmented(fab, out, 4, 6)
    manifest = bucket.get("sets/a/shards/000004-6.json")
    for lost in ("sets/a/000007.png", "sets/a/shards/000004-6.json"):
        bucket.remove(lost)
    puts.clear()
    assert augmented(fab, out, 4, 6) == (0, "")
    assert puts == ["sets/a/000007.png", "sets/a/shards/000004-6.json"]
    monkeypatch.setattr("fabgan.components.augment.shards.metadata_of", lambda _: 1 / 0)  # the shard's manifest tells
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
    assert "the shards from 0 and from 4 differ in model, seed, label or layout" in gathered(fab, out, 10)[1]
    bucket.remove("sets/a/shards/000004-2.json")
    bucket.remove("sets/a/000004.png")
    bucket.remove("sets/a/000005.png")
    augmented(fab, out, 4, 2)
    assert "the shards hold images from 9 on, more than the 9 requested" in gathered(fab, out, 9)[1]
    assert "images 10 to 11 are in no shard" in gathered(fab, out, 12)[1]
    bucket.remove("sets/a/000008.png")
    assert "1 files of the shards are missing, such as 000008.png" in gathered(fab, out, 10)[1]
    assert "sets/a/manifest.json" not in bucket.objects()


def test_shards_of_an_earlier_run_with_another_number_of_them_do_no_harm(fab: Fab, bucket: Bucket) -> None:
    out = bucket.url("sets/a")
    for first, count in ((0, 3), (3, 3), (0, 5), (5, 5)):
        augmented(fab, out, first, count)
    assert gathered(fab, out, 10) == (0, "")
    files = [image["file"] for image in json.loads(bucket.get("sets/a/manifest.json"))["images"]]
    assert files == [f"{index:06d}.png" for index in range(10)]


def unpacked(content: bytes) -> dict[str, bytes]:
    """Return the files in a tar file, in their order."""
    with tarfile.open(fileobj=BytesIO(content)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def test_tar_files_hold_the_same_images_in_a_folder_and_in_a_bucket(fab: Fab, bucket: Bucket) -> None:
    out, singles = bucket.url("sets/t"), read_json(fab.folder / "local" / "manifest.json")["images"]
    assert augmented(fab, "packed", 0, COUNT, per_file=8) == (0, "")
    for first, count in ((16, COUNT - 16), (0, 16)):
        assert augmented(fab, out, first, count, per_file=8) == (0, "")
    assert gathered(fab, out) == (0, "")
    manifest = json.loads(bucket.get("sets/t/manifest.json"))
    assert manifest == read_json(fab.folder / "packed" / "manifest.json")
    assert [(one["index"], one["sha256"]) for one in manifest["images"]] == [
        (one["index"], one["sha256"]) for one in singles
    ]
    names = ["000000-8.tar", "000008-8.tar", "000016-4.tar"]
    assert list(dict.fromkeys(one["file"] for one in manifest["images"])) == names
    found: dict[str, bytes] = {}
    for name in names:
        assert bucket.get(f"sets/t/{name}") == (fab.folder / "packed" / name).read_bytes()
        found |= unpacked(bucket.get(f"sets/t/{name}"))
    assert list(found) == [one["file"] for one in singles]
    assert all(found[name] == (fab.folder / "local" / name).read_bytes() for name in found)


def test_a_missing_tar_file_alone_is_made_again(fab: Fab, bucket: Bucket, puts: list[str]) -> None:
    out = bucket.url("sets/t")
    augmented(fab, out, 0, 12, per_file=4)
    content, manifest = bucket.get("sets/t/000004-4.tar"), bucket.get("sets/t/shards/000000-12.json")
    bucket.remove("sets/t/000004-4.tar")
    puts.clear()
    assert augmented(fab, out, 0, 12, per_file=4) == (0, "")
    assert puts == ["sets/t/000004-4.tar", "sets/t/shards/000000-12.json"]
    assert bucket.get("sets/t/000004-4.tar") == content
    assert bucket.get("sets/t/shards/000000-12.json") == manifest


def test_a_folder_of_tar_files_that_was_cut_short_is_completed(fab: Fab) -> None:
    augmented(fab, "whole", 0, 12, per_file=4)
    whole, partial = fab.folder / "whole", fab.folder / ".cut.partial"
    status, said = augmented(fab, "cut", 0, 12, per_file=0)
    assert (status, "images_per_file: expected a positive int" in said) == (1, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fabgan.components.augment.step.write_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            augmented(fab, "cut", 0, 12, per_file=4)
    (partial / "000004-4.tar").unlink()
    assert augmented(fab, "cut", 0, 12, per_file=4) == (0, "")
    for name in ("manifest.json", "000000-4.tar", "000004-4.tar", "000008-4.tar"):
        assert (fab.folder / "cut" / name).read_bytes() == (whole / name).read_bytes()
    status, said = augmented(fab, "cut", 0, 12)
    assert (status, "holds something else already" in said) == (1, True)


def test_an_image_in_two_tar_files_is_not_gathered(fab: Fab, bucket: Bucket) -> None:
    out = bucket.url("sets/t")
    for first, count in ((0, 6), (4, 4)):
        augmented(fab, out, first, count, per_file=4)
    assert "image 4 is in 000004-2.tar and in 000004-4.tar" in gathered(fab, out, 8)[1]
    other = bucket.url("sets/mixed")
    augmented(fab, other, 0, 4)
    augmented(fab, other, 4, 4, per_file=4)
    assert "the shards from 0 and from 4 differ in model, seed, label or layout" in gathered(fab, other, 8)[1]


@pytest.mark.parametrize(("shards", "divided"), [(2, [(0, 8), (8, 12)]), (5, [(0, 8), (8, 8), (16, 4)])])
def test_pods_share_no_tar_file(
    shards: int, divided: list[tuple[int, int]], fab: Fab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", fab.uri)
    form = {"model": "models:/bga-generator@candidate", "count": COUNT, "seed": 7, "label": "", "images_per_file": 8}
    form |= {"shards": shards, "destination": "s3://bucket/set"}
    items = [json.loads(item) for item in augmenting.plan(form)]
    assert [(item["first"], item["count"]) for item in items] == divided
    assert {item["images_per_file"] for item in items} == {8}
