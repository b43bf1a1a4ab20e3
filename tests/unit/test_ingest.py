import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.parameters import parse
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters


def parameters(source: Path, **changes: object) -> IngestParameters:
    content = {
        "source": str(source),
        "revision": "",
        "lot_pattern": "^([^/]+)/",
        "labels_file": "",
        "held_out_share": 0.3,
        "max_quarantined_share": 0.5,
        "min_side_px": 16,
        "seed": 1,
    }
    return parse(IngestParameters, content | changes, "params.yaml", "ingest")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Five lots of four photographs."""
    random = np.random.default_rng(1)
    for index in range(20):
        path = tmp_path / "photographs" / f"lot-{index // 4}" / f"{index % 4}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photographs"


def ingested(photographs: Path, **changes: object) -> tuple[FrameManifest, Path, dict[str, float]]:
    output = photographs.parent / "frames"
    metrics = ingest.run(parameters(photographs, **changes), output)
    return read_manifest(output, FrameManifest), output, metrics


def test_frames_keep_their_bytes_and_their_facts(photographs: Path) -> None:
    manifest, output, metrics = ingested(photographs)
    assert len(manifest.images) == metrics["images"] == 20
    for frame in manifest.images:
        assert sha256_of_file(output / frame.file) == sha256_of_file(photographs / frame.source) == frame.sha256
        assert (frame.width_px, frame.height_px, frame.mode) == (32, 24, "RGB")
    assert sorted(path.name for path in output.iterdir()) == ["contact_sheet.html", "frames", "manifest.json"]


def test_no_lot_lies_in_both_splits(photographs: Path) -> None:
    manifest, _, metrics = ingested(photographs)
    splits = defaultdict(set)
    for frame in manifest.images:
        splits[frame.lot].add(frame.split)
    assert all(len(split) == 1 for split in splits.values())
    assert metrics["held_out_images"] == 8


def test_each_product_is_held_out_by_its_share(tmp_path: Path) -> None:
    folder = tmp_path / "photographs"
    random = np.random.default_rng(1)
    for product, lots in {"common": 8, "rare": 2, "single": 1}.items():
        for index in range(3 * lots):
            path = folder / product / f"lot-{index // 3}" / f"{index % 3}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (24, 32), dtype=np.uint8)).save(path)
    for seed in range(5):
        manifest, _, _ = ingested(folder, lot_pattern="^((?P<product>[^/]+)/[^/]+)/", held_out_share=0.25, seed=seed)
        held_out = {(frame.product, frame.lot) for frame in manifest.images if frame.split == "held_out"}
        assert Counter(product for product, _ in held_out) == {"common": 2, "rare": 1}
        assert all(lot.startswith(f"{product}/lot-") for product, lot in held_out)


@given(
    st.dictionaries(st.text(min_size=1), st.integers(1, 50), min_size=2),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_held_out_lots_hold_the_share_unless_nothing_would_be_left(
    images_in_lot: dict[str, int], share: float, seed: int
) -> None:
    params = parameters(Path("x"), held_out_share=share, seed=seed)
    counter = Counter(images_in_lot)
    held_out = ingest.held_out_lots(counter, params)
    assert held_out < counter.keys()
    enough = sum(counter[lot] for lot in held_out) >= share * counter.total()
    assert enough or len(held_out) == len(counter) - 1


def test_many_lots_are_chosen_from_in_seconds() -> None:
    lots, started_s = Counter({str(number): 1 for number in range(20_000)}), time.process_time()
    assert len(ingest.held_out_lots(lots, parameters(Path("x"), held_out_share=0.5, seed=1))) == 10_000
    assert time.process_time() - started_s < 5


def test_what_cannot_be_used_is_quarantined_with_a_reason(photographs: Path) -> None:
    (photographs / "lot-0" / "words.jpg").write_text("words")
    Image.new("L", (8, 8)).save(photographs / "lot-0" / "tiny.png")
    (photographs / "lot-1" / "copy.png").write_bytes((photographs / "lot-0" / "0.png").read_bytes())
    manifest, output, metrics = ingested(photographs)
    reasons = {item.source: item.reason for item in manifest.quarantined}
    assert reasons["lot-0/words.jpg"].startswith("not an image in one of the formats")
    assert reasons["lot-0/tiny.png"] == "8 x 8 px, smaller than min_side_px"
    assert reasons["lot-1/copy.png"] == "the same bytes as lot-0/0.png"
    assert metrics["quarantined"] == 3
    assert len(list((output / "frames").iterdir())) == 20


def test_too_many_unusable_images_fail_and_leave_the_earlier_result(photographs: Path) -> None:
    _, output, _ = ingested(photographs)
    before = sha256_of_file(output / "manifest.json")
    for index in range(10):
        (photographs / "lot-0" / f"words-{index}.jpg").write_text("words")
    with pytest.raises(UserError, match=r"ingest: 10 of 30 images cannot be used.*max_quarantined_share = 0.1"):
        ingest.run(parameters(photographs, max_quarantined_share=0.1), output)
    assert sha256_of_file(output / "manifest.json") == before


def test_a_larger_share_of_unusable_images_is_allowed_without_doing_the_rest_again(photographs: Path) -> None:
    (photographs / "lot-0" / "words.jpg").write_text("words")
    output = photographs.parent / "frames"
    with pytest.raises(UserError, match="max_quarantined_share"):
        ingest.run(parameters(photographs, max_quarantined_share=0), output)
    records = sorted((output.parent / ".frames.partial" / ".records").iterdir())
    assert len(records) == 22
    kept = records[0].stat().st_mtime_ns
    with pytest.raises(UserError, match="max_quarantined_share"):
        ingest.run(parameters(photographs, max_quarantined_share=0.01, held_out_share=0.5), output)
    assert records[0].stat().st_mtime_ns == kept
    assert ingest.run(parameters(photographs, max_quarantined_share=0.1), output)["quarantined"] == 1


@pytest.mark.parametrize("changes", [{"lot_pattern": "^(lot)"}, {"held_out_share": 0}])
def test_a_data_set_with_nothing_to_measure_by_is_refused(photographs: Path, changes: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"20 images to train with and 0 held out.*ingest.lot_pattern"):
        ingested(photographs, **changes)


def test_labels_are_kept(photographs: Path) -> None:
    (photographs / "labels.csv").write_text("file,label\nlot-0/0.png,scratch\n")
    manifest, _, _ = ingested(photographs, labels_file="labels.csv")
    labels = {frame.source: frame.label for frame in manifest.images}
    assert (labels["lot-0/0.png"], labels["lot-0/1.png"]) == ("scratch", None)


def test_a_name_with_an_umlaut_is_found_however_it_is_written(photographs: Path) -> None:
    (photographs / "lot-0" / "0.png").rename(photographs / "lot-0" / "fu\u0308r.png")
    (photographs / "labels.csv").write_text("file,label\nlot-0/f\u00fcr.png,scratch\n", encoding="utf-8")
    manifest, _, _ = ingested(photographs, labels_file="labels.csv")
    assert {frame.source for frame in manifest.images if frame.label} == {"lot-0/fu\u0308r.png"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,kind\na,b\n", "expected the columns file and label"),
        ("file,label\nlot-9/0.png,x\n", "lot-9/0.png; name files by their paths below the source, such as lot-0/0.png"),
    ],
)
def test_wrong_labels_are_refused(photographs: Path, content: str, message: str) -> None:
    (photographs / "labels.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        ingested(photographs, labels_file="labels.csv")


def test_annotated_photographs_have_masks_and_the_others_have_none(photographs: Path) -> None:
    (photographs / "labels").mkdir()
    for name in ("0", "1"):
        (photographs / "labels" / f"lot-{name}").mkdir()
    (photographs / "classes.txt").write_text("scratch\ndent\n")
    (photographs / "labels" / "lot-0" / "0.txt").write_text("0 0.5 0.5 0.25 0.5\n1 0.125 0.125 0.25 0.25\n")
    (photographs / "labels" / "lot-1" / "1.txt").write_text("")
    manifest, output, _ = ingested(photographs, annotations="labels")
    masks = {frame.source: frame.mask for frame in manifest.images if frame.mask}
    assert (manifest.kinds, list(masks)) == (["dent", "scratch"], ["lot-0/0.png", "lot-1/1.png"])
    with Image.open(output / masks["lot-0/0.png"]) as mask:
        assert mask.size == (32, 24)
        assert np.bincount(np.asarray(mask).ravel()).tolist() == [32 * 24 - 144, 48, 96]
    with Image.open(output / masks["lot-1/1.png"]) as mask:
        assert not np.asarray(mask).any()
    for frame in manifest.images:
        assert not frame.mask or sha256_of_file(output / frame.mask) == frame.mask_sha256
    assert manifest.skipped == {"an annotation of defects": 2, ".txt is no suffix of images": 1}


def test_an_annotation_that_may_be_of_several_photographs_is_refused(photographs: Path) -> None:
    (photographs / "0.txt").write_text("")
    with pytest.raises(UserError, match=r"0.txt \(ingest.annotations\): 0.txt may be lot-0/0.png or lot-1/0.png"):
        ingested(photographs, annotations="0.txt")


def test_without_annotations_the_manifest_says_nothing_of_them(photographs: Path) -> None:
    _, output, _ = ingested(photographs)
    assert not {"kinds", "mask"} & set((output / "manifest.json").read_text().replace('"', " ").split())


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_patterns_that_name_no_lot_are_refused(pattern: str) -> None:
    with pytest.raises(UserError, match=r"ingest: lot_pattern"):
        parameters(Path("x"), lot_pattern=pattern)


def test_a_source_of_rendered_frames_has_its_ground_truth_beside_it(tmp_path: Path, rendered_source: Path) -> None:
    output = tmp_path / "frames"
    metrics = ingest.run(parameters(rendered_source), output)
    manifest = read_manifest(output, FrameManifest)
    assert metrics["images"] == len(manifest.images) == len(list((output / "truth").iterdir()))
    assert manifest.images[0].source == "rendered:1/0"
