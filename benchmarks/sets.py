"""Sets of real images for measurements: rendered packages, and photographs, divided into lots with three roles."""

import csv
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from benchmarks.photographs import dual_in_line
from fabgan.components.artifacts.manifest import Package, has_manifest
from fabgan.components.artifacts.packages import Packages, open_packages
from fabgan.components.core.images import read_image, write_png
from fabgan.components.core.parameters import parse
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from fabgan.components.measures.extractors import Extractor
from fabgan.components.measures.features import Features, extract
from fabgan.components.measures.real import Real, divided
from fabgan.model.streams import random_stream

RENDERED_FRAMES = 480
FIXED_CAMERA = "2"
"""The type of the photographs of `bsd_pitting` that a camera took of the same places for three weeks."""
SHARES = {"train": 0.4, "held_out": 0.3}
"""Shares of each product's lots; the rest is fresh."""


@dataclass(frozen=True)
class ImageSet:
    """All images of a set, with their features."""

    packages: Packages

    @cached_property
    def images(self) -> Tensor:
        """All images, N x C x H x W uint8."""
        return torch.stack(list(self.packages))

    @cached_property
    def _known(self) -> dict[tuple[str, int], Features]:
        return {}

    def features(self, extractor: Extractor, seed: int) -> Features:
        """Return the features of all images. They are kept."""
        key = (extractor.sha256, seed)
        if key not in self._known:
            progress = Progress("features", len(self.packages.listed), "images")
            self._known[key] = extract(self.images, extractor, random_stream(seed, "patches", "real"), progress)
        return self._known[key]

    def roles(self, seed: int) -> "Roles":
        """Return the lots divided anew: some to train with, some held out, and some that are fresh."""
        lots = defaultdict(set)
        for package in self.packages.listed:
            lots[package.product].add(package.lot)
        draw, role = random.Random(seed), dict[str, str]()  # noqa: S311 (no cryptography)
        for _, found in sorted(lots.items()):
            order = sorted(found)
            draw.shuffle(order)
            trained = round(SHARES["train"] * len(order))
            held_out = max(round(SHARES["held_out"] * len(order)), 1)
            role |= dict.fromkeys(order[:trained], "train")
            role |= dict.fromkeys(order[trained : trained + held_out], "held_out")
            role |= dict.fromkeys(order[trained + held_out :], "fresh")
        return Roles(self, [role[package.lot] for package in self.packages.listed], seed)


@dataclass(frozen=True)
class Roles:
    """A set of images whose lots have roles."""

    images: ImageSet
    roles: list[str]
    seed: int

    @property
    def size_px(self) -> int:
        """Side of the images."""
        return self.images.packages.size_px

    def _of(self, role: str) -> Tensor:
        return torch.tensor([at for at, found in enumerate(self.roles) if found == role])

    def training(self) -> Tensor:
        """Return the training images, N x C x H x W uint8."""
        return self.images.images[self._of("train")]

    def fresh(self, count: int) -> Tensor:
        """Return images of lots that nobody has seen, at most `count` of them, in random order."""
        places = self._of("fresh")
        order = torch.randperm(len(places), generator=random_stream(self.seed, "fresh"))
        return self.images.images[places[order][:count]]

    def one_lot(self) -> Tensor:
        """Return the images of one fresh lot."""
        lots = [self.images.packages.listed[at].lot for at in self._of("fresh").tolist()]
        return self.images.images[self._of("fresh")[[lot == lots[0] for lot in lots]]]

    def measured(self, extractor: Extractor, seed: int) -> Real:
        """Return what a verdict needs of the real images, which are those that are not fresh."""
        known = [at for at, role in enumerate(self.roles) if role != "fresh"]
        listed = [replace(self.images.packages.listed[at], split=self.roles[at]) for at in known]  # type: ignore[arg-type]
        packages = replace(self.images.packages, listed=listed)
        return divided(self.images.features(extractor, seed).chosen(torch.tensor(known)), packages, seed)


def rendered(folder: Path) -> ImageSet:
    """Return rendered packages of 128 px. They are made in `folder` unless they are there."""
    frames = yaml.safe_load(Path("data/rendered.yaml").read_text(encoding="utf-8")) | {"frames": RENDERED_FRAMES}
    return ImageSet(rendered_packages(folder, frames, 128))


def photographs(data: Path, folder: Path) -> ImageSet:
    """Return the photographs of `dip_package` at 256 px: stills of films of two packages, one of them scratched.

    The packages are the products, and the lots are tens of stills: those of one second hardly differ.
    """
    found = packages_of(folder, {"source": str(data / "dip_package" / "images"), "lot_pattern": r"(frame_\d+)"}, 256)
    scratched = {one.path.name for one in dual_in_line(data / "dip_package") if one.scratches}
    return ImageSet(replace(found, listed=[_of_film(package, package.source in scratched) for package in found.listed]))


def _of_film(package: Package, scratched: bool) -> Package:
    product = "scratched" if scratched else "clean"
    return replace(package, product=product, lot=f"{product} {package.lot[:-1]}")


def ball_screws(data: Path, folder: Path) -> ImageSet:
    """Return the middles of the photographs of `bsd_pitting` at 256 px: places of a ball screw, as they wear.

    The places are the products, and the lots are the days. No limit was chosen with these photographs.
    """
    if not has_manifest(folder / "packages"):
        _cut_squares(data / "bsd_pitting", folder / "squares")
    asked = {"source": str(folder / "squares"), "lot_pattern": r"^([^/]+/\d+)"}
    found = packages_of(folder, asked, 256, find="whole")
    return ImageSet(
        replace(found, listed=[replace(package, product=package.lot.partition("/")[0]) for package in found.listed])
    )


def _cut_squares(source: Path, squares: Path) -> None:
    """Write the middle square of each photograph to the folder of its place and day."""
    for row in csv.DictReader((source / "index.csv").read_text(encoding="utf-8").splitlines()):
        if row["type"] != FIXED_CAMERA:
            continue
        pixels_HWC = read_image(source / "images" / row["file"])
        side_px, width_px = pixels_HWC.shape[:2]
        left_px = (width_px - side_px) // 2
        day = row["file"].split("_")[1][:6]
        path = squares / row["position"] / day / f"{Path(row['file']).stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, np.ascontiguousarray(pixels_HWC[:, left_px : left_px + side_px]))


def rendered_packages(folder: Path, source: Mapping[str, object], size_px: int, **changes: object) -> Packages:
    """Return the packages of a .yaml source. They are made in `folder` unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rendered.yaml").write_text(yaml.safe_dump(dict(source)), encoding="utf-8")
    return packages_of(folder, {"source": str(folder / "rendered.yaml"), **changes}, size_px)


def packages_of(folder: Path, changes: Mapping[str, object], size_px: int, **cropping: object) -> Packages:
    """Return the packages of a source. They are made in `folder` unless they are there.

    `changes` and `cropping` are parameters of ingest and of crop_resize.
    """
    if not has_manifest(folder / "packages"):
        taking = {"lot_pattern": "^([^/]+)/", "held_out_share": 0.3, "min_side_px": 256, **changes}
        ingest.run(parse(IngestParameters, taking, "benchmark"), folder / "frames")
        crop = parse(CropResizeParameters, {"sizes_px": [size_px], **cropping}, "benchmark")
        crop_resize.run(crop, folder / "frames", folder / "packages")
    return open_packages(folder / "packages", size_px)
