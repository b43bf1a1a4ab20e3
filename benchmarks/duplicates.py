"""How well near-duplicates are told from other photographs: `python -m benchmarks.duplicates [--photos DIR]`.

Prints one JSON object on standard output. `found` is the share of near-duplicates at the limit, `false` that of other
pairs, and `closest` how alike the most similar of those are. By default it renders packages of two products. Packages
of one product are other photographs. A package that is photographed again, darker, nearer and as a poorer JPEG, is a
near-duplicate. With --photos it reads the stills of two films from a folder that holds `images/` and `annotations.csv`
(columns file, class). Successive stills of a film are near-duplicates, and stills of different films are others.
"""

import argparse
import csv
import json
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.images import Pixels, read_image
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize.duplicates import ALIKE, look_of, similarities
from fabgan.components.crop_resize.outline import find_outline, straighten
from fabgan.components.ingest.renderer import RendererParameters, render_frame

MARGIN_SHARE = 0.04
SEED = 30
MAX_FIELD_CHARACTERS = 10_000_000
PARAMETERS = RendererParameters(
    frame_width_px=1000,
    frame_height_px=750,
    products=2,
    frames_per_lot=4,
    min_balls_per_side=7,
    max_balls_per_side=9,
    max_angle_deg=20,
    min_body_share=0.5,
    max_body_share=0.65,
    defect_share=0.3,
    grey=False,
)

Flags = NDArray[np.bool_]


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60, help="number of rendered packages")
    parser.add_argument("--photos", type=Path, help="folder of photographs in place of rendered frames")
    options = parser.parse_args(arguments)
    alike, same, other = of_photographs(options.photos) if options.photos else of_frames(options.frames)
    print(json.dumps(rates(alike, same, other)))


def rates(alike: NDArray[np.float32], same: Flags, other: Flags) -> dict[str, float]:
    """Return the shares of pairs at the limit, of those that are near-duplicates and of those that are not."""
    return {
        "near_duplicates": int(same.sum()),
        "found": round(float((alike[same] >= ALIKE).mean()), 4),
        "others": int(other.sum()),
        "false": round(float((alike[other] >= ALIKE).mean()), 6),
        "closest": round(float(alike[other].max()), 4),
    }


def of_frames(count: int) -> tuple[NDArray[np.float32], Flags, Flags]:
    """Return how alike rendered packages are, which pairs are near-duplicates, and which are of one product."""
    progress, looks, products = Progress("duplicates", count, "packages"), list[str](), list[str]()
    for index in range(count):
        frame = render_frame(PARAMETERS, SEED, index)
        looks += [_look(frame.image), _look(_again(frame.image, index))]
        products += [frame.truth.product] * 2
        progress.advance(1)
    number, product = np.arange(2 * count) // 2, np.array(products)
    same = np.triu(number[:, None] == number, 1)
    other = np.triu((product[:, None] == product) & (number[:, None] != number), 1)
    return similarities(looks, looks), same, other


def _again(image: Pixels, seed: int) -> Pixels:
    """Return the photograph of a package that was taken a second time: darker, nearer, noisier and poorer."""
    rng = np.random.default_rng(seed)
    nearer = cv2.resize(image, None, fx=1.1, fy=1.1, interpolation=cv2.INTER_LINEAR)
    noisy = nearer * rng.uniform(0.8, 0.95) + rng.normal(0, 4, nearer.shape)
    _, poor = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, 80))
    return np.asarray(cv2.imdecode(poor, cv2.IMREAD_COLOR), dtype=np.uint8)


def _look(image: Pixels) -> str:
    return look_of(straighten(image, find_outline(image), MARGIN_SHARE))


def of_photographs(folder: Path) -> tuple[NDArray[np.float32], Flags, Flags]:
    """Return how alike stills of two films are, which pairs follow each other, and which are of different films."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    with (folder / "annotations.csv").open(encoding="utf-8", newline="") as file:
        film_of = {row["file"]: row["class"] for row in csv.DictReader(file)}
    looks, films, numbers = list[str](), list[str](), list[int]()
    for path in sorted((folder / "images").iterdir()):
        try:
            looks.append(_look(read_image(path)))
        except UnusableImageError:
            continue
        films.append(film_of[path.name])
        numbers.append(int(re.findall(r"\d+", path.name)[0]))
    film, number = np.array(films), np.array(numbers)
    same = np.triu((film[:, None] == film) & (abs(number[:, None] - number) == 1))
    return similarities(looks, looks), same, np.triu(film[:, None] != film)


if __name__ == "__main__":
    main()
