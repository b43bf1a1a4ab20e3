"""The measures that compare two sets of images by their features."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fabgan.model.measures.distances import frechet_distance, kernel_distance, neighbourhoods, share

from .features import Features

DECIBELS_PER_DOUBLING = 3.0103
THOUSANDTHS = 1000.0


@dataclass(frozen=True)
class _Measure:
    meaning: str
    limit: Literal["at_most", "at_least", "none"]


MEASURES = {
    "kernel_distance": _Measure("How far whole images are from held-out ones, x 1000. Lower is better.", "at_most"),
    "kernel_distance_patches": _Measure(
        "How far texture at native resolution is from that of held-out images, x 1000. Lower is better.", "at_most"
    ),
    "kernel_distance_worst_quarter": _Measure(
        "The same in the quarter of the image where it is largest. Lower is better.", "at_most"
    ),
    "precision": _Measure("Share of generated images that lie among held-out ones. Higher is better.", "at_least"),
    "recall": _Measure("Share of held-out images that lie among generated ones. Higher is better.", "at_least"),
    "recall_worst_product": _Measure("The same of the product that is shown worst. Higher is better.", "at_least"),
    "coverage": _Measure(
        "Share of held-out images that have a generated one beside them. Higher is better.", "at_least"
    ),
    "density": _Measure("How crowded held-out images are around generated ones. Higher is better.", "none"),
    "frechet_distance": _Measure("Frechet distance of whole images. Lower is better.", "none"),
    "frechet_distance_patches": _Measure("Frechet distance of patches at native resolution. Lower is better.", "none"),
    "spectrum_db": _Measure(
        "Largest difference of the power in an octave of detail, in dB: blur or noise. Lower is better.", "at_most"
    ),
    "colour_db": _Measure(
        "The same of the differences between colours: faded or coarse colours. Lower is better.", "at_most"
    ),
    "lattice_db": _Measure(
        "Largest difference of the power at periods of 2, 4 and 8 px, in dB: lattices. Lower is better.", "at_most"
    ),
}
"""The measures that compare two sets of images, with a floor each. That of products needs more than one."""


def compare(generated: Features, real: Features, products_M: Tensor) -> dict[str, float]:
    """Return the values of `MEASURES` for two sets of images. `products_M` numbers the products of the real ones."""
    patches, real_patches = generated.patches_NPF, real.patches_NPF
    near = neighbourhoods(generated.whole_NF, real.whole_NF)
    colours = (generated.colours_NK.mean(dim=0) - real.colours_NK.mean(dim=0)).abs().max()
    octaves = (generated.octaves_NO.mean(dim=0) - real.octaves_NO.mean(dim=0)).abs().max()
    lattices = (generated.lattices_NL.mean(dim=0) - real.lattices_NL.mean(dim=0)).abs().max()
    quarters = [kernel_distance(patches[:, at], real_patches[:, at]) for at in range(patches.shape[1])]
    return {
        "kernel_distance": THOUSANDTHS * kernel_distance(generated.whole_NF, real.whole_NF),
        "kernel_distance_patches": THOUSANDTHS * kernel_distance(patches, real_patches),
        "kernel_distance_worst_quarter": THOUSANDTHS * max(quarters),
        "precision": near.precision,
        "recall": near.recall,
        "coverage": near.coverage,
        "density": near.density,
        **dict(_worst_product(near.shown_M, products_M)),
        "frechet_distance": frechet_distance(generated.whole_NF, real.whole_NF),
        "frechet_distance_patches": frechet_distance(patches.flatten(0, 1), real_patches.flatten(0, 1)),
        "spectrum_db": DECIBELS_PER_DOUBLING * float(octaves),
        "colour_db": DECIBELS_PER_DOUBLING * float(colours),
        "lattice_db": DECIBELS_PER_DOUBLING * float(lattices),
    }


def _worst_product(shown_M: Tensor, products_M: Tensor) -> Iterator[tuple[str, float]]:
    """Yield the lowest recall of a product, if there are several."""
    products = sorted(set(products_M.tolist()))
    if len(products) > 1:
        yield "recall_worst_product", min(share(shown_M[products_M == product]) for product in products)
