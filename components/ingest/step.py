"""The ingest step: fetch and verify photographs of any source, or render frames, and list them in a manifest.

Every file that cannot be used is listed in the manifest as quarantined, with a reason.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePosixPath

from ..artifacts.contact import SHEET, THUMBNAIL_PX, Shown, thumbnail, write_contact_sheet
from ..artifacts.manifest import (
    Frame,
    FrameManifest,
    Quarantined,
    entry_of,
    marker_of,
    write_manifest,
)
from ..artifacts.refusals import check_quarantine, check_splits
from ..core.errors import UnusableImageError, UserError
from ..core.files import atomic_file, check_apart, sha256_of_bytes
from ..core.images import (
    ImageFacts,
    check_suffix,
    inspect_image,
)
from ..core.log import logger
from ..core.parameters import digest
from ..core.provenance import code_of
from ..core.resumable import Record, Reuse, keep_only, map_resumably, resumable_folder
from .annotations import Shape, boxes_px, draw_mask, read_annotations, read_boxes
from .checksums import with_checksums
from .copies import without_copies
from .depth import with_white_levels
from .labels import read_labels
from .lots import lot_of, warn_of_lots
from .parameters import IngestParameters
from .records import file_record, made, mask_record, truth_file
from .rendering import render
from .selection import ANNOTATION, BOXES, CHECKSUMS, as_listed, is_asked, selected, warn_of_masks
from .sources import is_rendered, list_source, path_of
from .sources.listing import Listing, SourceFile
from .spelling import spelled_path

LOG = logger("ingest")
KEYS = {ANNOTATION: "ingest.annotations", BOXES: "ingest.boxes"}
"""The parameters that keep files from being photographs, by their rules."""


@dataclass(frozen=True)
class _Photograph:
    file: SourceFile
    label: str | None
    lot: str
    product: str
    min_side_px: int
    shapes: list[Shape] | None
    kinds: list[str]
    boxes: list[Shape]
    box_kind: str

    @property
    def name(self) -> str:
        """A readable, unique name for its files: its stem and a part of its path's digest."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(self.file.path).stem)[:60]
        return f"{stem}-{sha256_of_bytes(self.file.path.encode())[:16]}"

    @property
    def known(self) -> Record:
        """What is known of it without its bytes."""
        return {
            "name": self.name,
            "source": self.file.path,
            "label": self.label,
            "lot": self.lot,
            "product": self.product,
        }


def run(params: IngestParameters, output: Path) -> dict[str, float]:
    """Fill the folder `output` with frames and their manifest; return counts.

    Raises UserError for an unusable source, or if too many images cannot be used.
    """
    check_apart({"the folder that ingest writes": output}, {"ingest.source": path_of(params.source)})
    listing = list_source(params.source, params.revision)
    code = code_of("ingest")
    with resumable_folder(output, code, marker_of(FrameManifest)) as folder:
        reuse = Reuse(output.resolve(), made)
        skipped: dict[str, int] = {}
        if is_rendered(params.source):
            records, kinds = render(params, code, folder, reuse)
        else:
            photographs, kinds, skipped = _photographs(params, listing)
            keyed = [(_key(photograph, code), photograph) for photograph in photographs]
            found = map_resumably("ingest", _take_photograph, keyed, folder, reuse)
            records = [one.known | record for one, record in zip(photographs, found, strict=True)]
        pictures = {record["source"]: record.get("thumbnail", "") for record in records}
        manifest = _manifest(records, params, listing, skipped, kinds)
        truths = {truth_file(image.name) for image in manifest.images}
        keep_only(folder, {file for image in manifest.images for file in (image.file, image.mask)} | truths)
        write_manifest(folder, manifest)
        _write_sheet(folder, manifest, pictures)
        check_quarantine(
            "ingest", len(manifest.images), manifest.quarantined, params.max_quarantined_share, folder / SHEET
        )
        check_splits("ingest", manifest.images)
    return _metrics(manifest)


def _photographs(params: IngestParameters, listing: Listing) -> tuple[list[_Photograph], list[str], dict[str, int]]:
    """Return the files that are taken for photographs, the kinds of defects, and how many files each rule skipped."""
    paths = {file.path for file in listing.files}
    named = (params.labels_file, params.annotations, params.boxes)
    labels_file, annotations, boxes_asked = (as_listed(asked, paths) for asked in named)
    taken, skipped = selected(paths, labels_file, annotations, boxes_asked)
    if not taken:
        raise _no_photograph(params.source, skipped)
    if skipped:
        LOG.info("skipped %s", _counts(skipped))
    warn_of_masks(taken)
    listing = with_checksums(listing, skipped.get(CHECKSUMS, []))
    labels = read_labels(listing.read(labels_file), labels_file) if labels_file else {}
    found = read_annotations(listing, skipped.get(ANNOTATION, []), annotations, taken)
    beside = [*skipped.get(ANNOTATION, []), *skipped.get(BOXES, [])]
    boxes = read_boxes(listing, [path for path in beside if is_asked(path, boxes_asked)], boxes_asked, taken)
    photographs = []
    for path in taken:
        lot, product = lot_of(path, params.lot_pattern)
        known = (listing.file(path), labels.get(spelled_path(path)), lot, product, params.min_side_px)
        annotated = (found.shapes.get(path), found.kinds, boxes.shapes.get(path, []), boxes.kind)
        photographs.append(_Photograph(*known, *annotated))
    strange = labels.keys() - {spelled_path(path) for path in taken}
    if strange:
        raise UserError(
            f"{labels_file} (ingest.labels_file): {len(strange)} files in it are not images of the source, "
            f"such as {min(strange)}; name files by their paths below the source, such as {taken[0]}"
        )
    warn_of_lots((photograph.lot, photograph.product) for photograph in photographs)
    return photographs, found.kinds, {rule: len(paths) for rule, paths in skipped.items()}


def _no_photograph(source: str, skipped: dict[str, list[str]]) -> UserError:
    keys = ["ingest.source", *(KEYS[rule] for rule in skipped if rule in KEYS)]
    return UserError(f"{source}: no photograph: {_counts(skipped) or 'it is empty'}; correct {' or '.join(keys)}")


def _counts(skipped: dict[str, list[str]]) -> str:
    """Return how many files each rule skipped, with an example."""
    return "; ".join(f"{len(paths)} ({rule}), such as {paths[0]}" for rule, paths in skipped.items())


def _key(item: _Photograph, code: str) -> str:
    """Return the name of a photograph's record: a digest of all that its record depends on."""
    annotated = [repr(item.shapes), item.kinds, repr(item.boxes), item.box_kind]
    content = [item.file.path, item.file.version, item.min_side_px, *annotated, code]
    return f"{item.name}-{digest(content)[:16]}"


def _take_photograph(item: _Photograph, folder: Path) -> Record:
    """Fetch a photograph; return what the manifest says of its file, or why it cannot be used."""
    file = f"frames/{item.name}{_suffix(item.file.path)}"
    try:
        check_suffix(item.file.path)
        with atomic_file(folder / file) as partial:
            item.file.fetch(partial)
            facts, small = inspect_image(partial, THUMBNAIL_PX)
            if min(facts.width_px, facts.height_px) < item.min_side_px:
                raise UnusableImageError(f"{facts.width_px} x {facts.height_px} px, smaller than min_side_px")
    except UnusableImageError as error:
        return {"reason": str(error)}
    shown = {"thumbnail": thumbnail(small)}
    return file_record(folder, file, facts) | shown | _annotated(item, folder, facts)


def _annotated(item: _Photograph, folder: Path, facts: ImageFacts) -> Record:
    """Write the mask of a photograph that is annotated; return what the manifest says of it and of boxes."""
    found: Record = {"boxes_px": boxes_px(item.boxes, item.box_kind, facts.width_px, facts.height_px)}
    if item.shapes is None:
        return found
    return found | mask_record(folder, item.name, draw_mask(item.shapes, item.kinds, facts.width_px, facts.height_px))


def _suffix(source: str) -> str:
    """Return the suffix of a path, or an empty text if it has none that is fit for the name of a file."""
    suffix = PurePosixPath(source).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""


def _manifest(
    records: list[Record], params: IngestParameters, listing: Listing, skipped: dict[str, int], kinds: list[str]
) -> FrameManifest:
    """Return the manifest. Raises UserError if a listed file would be in none of its lists."""
    quarantined = [Quarantined(record["source"], record["reason"]) for record in records if "reason" in record]
    usable, copies = without_copies(record for record in records if "reason" not in record)
    usable, too_bright = with_white_levels(usable, params.bits)
    held_out = _held_out_per_product(usable, params)
    images = [entry_of(Frame, record, split="held_out" if record["lot"] in held_out else "train") for record in usable]
    unusable = quarantined + copies + too_bright
    listed = len(listing.files) or len(records)
    accounted = len(images) + len(unusable) + sum(skipped.values())
    if accounted != listed:
        raise UserError(
            f"{params.source}: {listed} files are listed, but {accounted} are accounted for; two names may be the same "
            "when they are written in UTF-8: rename one of them"
        )
    return FrameManifest(params.source, listing.revision, listed, skipped, images, unusable, kinds)


def _held_out_per_product(records: Iterable[Record], params: IngestParameters) -> set[str]:
    """Choose lots of every product, so that products are about equally frequent in held-out and training images."""
    lots: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        lots[record["product"]][record["lot"]] += 1
    return {lot for images_in_lot in lots.values() for lot in held_out_lots(images_in_lot, params)}


def held_out_lots(images_in_lot: Counter[str], params: IngestParameters) -> set[str]:
    """Choose whole lots in a seeded order until they hold `held_out_share`; the last lot always stays for training."""
    wanted = params.held_out_share * images_in_lot.total()
    order = sorted(images_in_lot, key=lambda lot: hashlib.sha256(f"{params.seed}/{lot}".encode()).digest())
    before = accumulate((images_in_lot[lot] for lot in order), initial=0)
    return {lot for lot, held_out in zip(order[:-1], before, strict=False) if held_out < wanted}


def _write_sheet(folder: Path, manifest: FrameManifest, pictures: dict[str, str]) -> None:
    accepted = [
        Shown(image.source, f"{image.split.replace('_', ' ')}, lot {image.lot}", pictures[image.source])
        for image in manifest.images
    ]
    quarantined = [Shown(item.source, item.reason, pictures[item.source]) for item in manifest.quarantined]
    write_contact_sheet(folder, "ingest", accepted, quarantined)


def _metrics(manifest: FrameManifest) -> dict[str, float]:
    held_out = sum(image.split == "held_out" for image in manifest.images)
    return {
        "images": len(manifest.images),
        "quarantined": len(manifest.quarantined),
        "skipped": sum(manifest.skipped.values()),
        "lots": len({image.lot for image in manifest.images}),
        "train_images": len(manifest.images) - held_out,
        "held_out_images": held_out,
        "megabytes": round(sum(image.size_bytes for image in manifest.images) / 1e6, 1),
    }
