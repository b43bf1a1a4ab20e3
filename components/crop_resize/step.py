"""The crop_resize step: find every package in its frame, straighten it, cut it out and resize it to each size.

A package that is not found, or that the frame cuts off, is listed in the manifest as quarantined, with a reason.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..artifacts.contact import SHEET, Shown, thumbnail, write_contact_sheet
from ..artifacts.manifest import (
    Frame,
    FrameManifest,
    Package,
    PackageManifest,
    Quarantined,
    entry_of,
    marker_of,
    read_manifest,
    write_manifest,
)
from ..artifacts.refusals import check_quarantine, check_splits
from ..core.errors import UnusableImageError
from ..core.files import sha256_of_file
from ..core.images import Pixels, read_listed_image, resize, to_grey, write_png
from ..core.log import logger
from ..core.parameters import digest
from ..core.provenance import code_of
from ..core.resumable import Record, Reuse, keep_only, map_resumably, resumable_folder
from .duplicates import joined, look_of, near_duplicates
from .masks import mask_record, read_mask
from .orient import files_of, oriented, package_of
from .outline import (
    Outline,
    box_outline,
    crop_size_px,
    filled_up,
    find_outline,
    frame_outline,
    straighten,
    window,
)
from .parameters import CropResizeParameters

LOG = logger("crop_resize")
WHOLE_SET_KEYS = {"join_near_duplicates", "orient", "max_quarantined_share"}
"""Keys that do not affect single images. After a change of these, crops are taken over."""

MAX_SIDE_PX = 16_384
"""Side of the largest crop. It is more than the largest square photograph needs."""
MIN_BOX_PX = 16
"""Shorter sides of a box are a mistake."""


@dataclass(frozen=True)
class _Item:
    frame: Frame
    frames: Path
    kinds: list[str]
    params: CropResizeParameters


def run(params: CropResizeParameters, frames: Path, output: Path) -> dict[str, float]:
    """Fill the folder `output` with the packages of the folder `frames` and their manifest; return counts.

    Raises UserError for a frame that differs from its manifest, or if too many frames have no usable package.
    """
    manifest = read_manifest(frames, FrameManifest)
    taken = {name: value for name, value in asdict(params).items() if name not in WHOLE_SET_KEYS}
    made_by = [taken, manifest.kinds, code_of("crop_resize")]
    items = [
        (_key(frame, made_by), _Item(frame, frames.resolve(), manifest.kinds, params)) for frame in manifest.images
    ]
    with resumable_folder(output, digest(made_by), marker_of(PackageManifest)) as folder:
        found = map_resumably("crop_resize", _crop, items, folder, Reuse(output.resolve(), _made))
        records = list(zip(manifest.images, found, strict=True))
        packages = [
            entry_of(Package, vars(frame) | record, source_sha256=frame.sha256)
            for frame, record in records
            if "reason" not in record
        ]
        quarantined = [Quarantined(frame.source, record["reason"]) for frame, record in records if "reason" in record]
        packages, groups = _without_doubles(packages, found, params.join_near_duplicates)
        if params.orient:
            looks = [record["package_look"] for record in found if "package_look" in record]
            reuse = Reuse(output.resolve(), _made, ".turned")
            packages = oriented(packages, looks, folder, reuse, lengthwise=params.find == "outline")
        keep_only(folder, {file for record in found for file in _made(record)} | files_of(packages))
        sizes, channels = list(params.sizes_px), 1 if params.grey else 3
        origin = manifest.source, manifest.revision, manifest.kinds
        made = PackageManifest(sizes, channels, packages, quarantined, *origin, groups)
        write_manifest(folder, made)
        _write_sheet(folder, made, records)
        check_quarantine("crop_resize", len(packages), quarantined, params.max_quarantined_share, folder / SHEET)
        check_splits("crop_resize", packages)
    _warn_of_lost_defects(packages)
    return _metrics(packages, quarantined) | (_of_turns(packages) if params.orient else {})


def _key(frame: Frame, made_by: object) -> str:
    """Return the name of a package's record: a digest of all that its crop depends on, which its split is not."""
    content = [frame.name, frame.sha256, frame.white_level, frame.mask_sha256, frame.boxes_px, made_by]
    return f"{frame.name}-{digest(content)[:16]}"


def _made(record: Record) -> dict[str, str]:
    """Return the files of a record with their digests."""
    pairs = (("files", "sha256"), ("masks", "masks_sha256"))
    return {file: record[digests][size] for files, digests in pairs for size, file in record.get(files, {}).items()}


def _crop(item: _Item, folder: Path) -> Record:
    """Write the images of one package; return what the manifest says of them, or why there are none."""
    frame, params = item.frame, item.params
    image = read_listed_image(item.frames / frame.file, frame.sha256, "ingest", frame.white_level)
    try:
        outline, cut, package = _cut_out(image, frame, params)
    except UnusableImageError as error:
        return {"reason": str(error), "thumbnail": thumbnail(image)}
    crop = _in_channels(cut, params.grey)
    files = {str(size_px): f"{size_px}/{frame.name}.png" for size_px in params.sizes_px}
    for size, file in files.items():
        write_png(folder / file, resize(crop, int(size)))
    record = {
        "outline_px": list(outline.corners_px),
        "angle_deg": round(outline.angle_deg, 4),
        "keystone_deg": round(outline.keystone_deg, 4) if outline.is_tilted else 0.0,
        "crop_px": len(crop),
        "files": files,
        "scales": {size: round(int(size) / len(crop), 6) for size in files},
        "sha256": {size: sha256_of_file(folder / file) for size, file in files.items()},
        "look": look_of(crop),
        "package_look": look_of(package),
    }
    mask = read_mask(item.frames, frame)
    shown = {"thumbnail": thumbnail(image, outline.corners_px, mask)}
    return record | shown | mask_record(mask, frame.name, item.kinds, outline, params, folder)


def _cut_out(image: Pixels, frame: Frame, params: CropResizeParameters) -> tuple[Outline, Pixels, Pixels]:
    """Return the outline of the package in a frame, the square crop around it, and the package alone."""
    if params.find == "outline":
        outline = find_outline(image)
        _check_side(crop_size_px(outline, params.margin_share))
        crop = straighten(image, outline, params.margin_share)
        return outline, crop, package_of(crop, outline)
    outline = frame_outline(image) if params.find == "whole" else _annotated_outline(frame)
    _check_side(crop_size_px(outline, 0))
    package = window(image, outline)
    return outline, filled_up(package), package


def _check_side(side_px: int) -> None:
    """Refuse a crop that would not fit into memory. A long photograph has few pixels, but its square has many."""
    if side_px > MAX_SIDE_PX:
        raise UnusableImageError(f"its square crop would have {side_px} x {side_px} px; {MAX_SIDE_PX} is the most")


def _annotated_outline(frame: Frame) -> Outline:
    """Return the outline of the only annotated package. Raises UnusableImageError if there is not just one."""
    if len(frame.boxes_px) != 1:
        raise UnusableImageError(f"it has {len(frame.boxes_px)} boxes of a package, not one; see ingest.boxes")
    (box_px,) = frame.boxes_px
    left, top, right, bottom = box_px
    if min(right - left, bottom - top) < MIN_BOX_PX:
        raise UnusableImageError(f"its box has {right - left} x {bottom - top} px, less than {MIN_BOX_PX}")
    return box_outline(box_px)


def _in_channels(pixels: Pixels, grey: bool) -> Pixels:
    if grey:
        return to_grey(pixels)
    return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels


def _write_sheet(folder: Path, made: PackageManifest, records: list[tuple[Frame, Record]]) -> None:
    pictures = {frame.source: record["thumbnail"] for frame, record in records}
    accepted = [Shown(package.source, _said(package), pictures[package.source]) for package in made.images]
    quarantined = [Shown(item.source, item.reason, pictures[item.source]) for item in made.quarantined]
    sources = {package.name: package.source for package in made.images}
    groups = [[sources[name] for name in group] for group in made.near_duplicates]
    write_contact_sheet(folder, "crop_resize", accepted, quarantined, groups)


def _said(package: Package) -> str:
    kinds = Counter(defect.kind for defect in package.defects)
    defects = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    tilt = [f"keystone {package.keystone_deg:.1f} degrees"] if package.keystone_deg else []
    return ", ".join([package.split.replace("_", " "), f"{package.angle_deg:.1f} degrees", *tilt, *defects])


def _without_doubles(
    packages: list[Package], records: list[Record], join: bool
) -> tuple[list[Package], list[list[str]]]:
    """Return packages, with lots joined that hold near-duplicates if `join`, and the groups of near-duplicates."""
    looks = [record["look"] for record in records if "look" in record]
    groups = near_duplicates(looks, [package.lot for package in packages])
    if groups:
        one = packages[groups[0][0]]
        other = next(packages[number] for number in groups[0] if packages[number].lot != one.lot)
        apart = sum(len({packages[number].split for number in group}) > 1 for group in groups)
        LOG.warning(
            "%d groups of near-duplicates lie in more than one lot, and %d of them in both training and held-out data, "
            "such as %s and %s; %s",
            *(len(groups), apart, one.source, other.source),
            "their lots were joined" if join else "correct ingest.lot_pattern, or set crop_resize.join_near_duplicates",
        )
    names = [[packages[number].name for number in group] for group in groups]
    return joined(packages, groups) if join else packages, names


def _warn_of_lost_defects(packages: list[Package]) -> None:
    lost = [package for package in packages if package.defects_outside_px]
    if lost:
        LOG.warning(
            "defects of %d packages lie outside their crops, wholly or partly, such as %d px of %s; they may be "
            "annotated beside the package, or crop_resize.margin_share is too small",
            *(len(lost), lost[0].defects_outside_px, lost[0].source),
        )


def _metrics(packages: list[Package], quarantined: list[Quarantined]) -> dict[str, float]:
    held_out = sum(package.split == "held_out" for package in packages)
    annotated = [package for package in packages if package.masks]
    of_masks: dict[str, float] = {
        "annotated_images": len(annotated),
        "defects": sum(len(package.defects) for package in annotated),
    }
    return {
        "images": len(packages),
        "quarantined": len(quarantined),
        "train_images": len(packages) - held_out,
        "held_out_images": held_out,
        "enlarged_images": sum(max(package.scales.values()) > 1 for package in packages),
        "tilted_images": sum(package.keystone_deg > 0 for package in packages),
    } | (of_masks if annotated else {})


def _of_turns(packages: list[Package]) -> dict[str, float]:
    return {
        "turned_images": sum(package.quarters > 0 for package in packages),
        "doubtful_turns": sum(package.turn_is_doubtful for package in packages),
    }
