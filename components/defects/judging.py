"""What made defects add to an inspection model that is tested on packages of held-out lots.

The model is trained on annotated packages with classical augmentation, and again with images of each method beside
them. Nothing else differs. The score of an image is that of its most suspicious place.

Dimensions: N images.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from ..artifacts.manifest import Package
from ..artifacts.packages import Packages
from ..artifacts.parallel import in_parallel
from ..measures.gains import CONFIDENCE, Gain, gain_of
from ..measures.inspection import DenseFeatures, Image, InspectionModel, Places, classical, joined
from .card import Added
from .parameters import DEFECTS_PER_IMAGE
from .pool import Paint, Pool
from .shares import by_need

CLASSICAL = "classical"
VARIANTS = 4
"""Classical changes of each package."""
MADE_IMAGES = 200
AMOUNTS = (50, 100, MADE_IMAGES)
"""So many made images are tried beside the annotated packages."""
FALSE_ALARMS = 0.01

Scores = dict[str, float]
"""What inspection models reach: `auc` of images, average precision of `places`, also beside the `smallest` third of
defects alone, best `f1` of places, and over all defects and for each kind `recall` at 1% false alarms and
`average_precision` of images. For each kind also average precision of `places`."""
Runs = Sequence[Mapping[str, Scores]]
"""The scores of each way of training, in each run."""


class Judge:
    """Trains inspection models, and tests them on held-out packages."""

    def __init__(self, held_out: Packages) -> None:
        """Take held-out packages. Only annotated ones judge: what a package without a mask shows is not known."""
        self.dense, self._held_out = DenseFeatures(), annotated(held_out)

    def scores(self, pool: Packages, ways: Mapping[str, Iterable[Image]], seed: int) -> dict[str, Scores]:
        """Return what a model reaches that was trained on annotated packages, and one for each way of adding images."""
        random = np.random.default_rng([seed, 0])
        real = real_places(self.dense, pool, random)
        added = {way: [self.dense.places(made, random)] for way, made in ways.items()}
        return self._tested(real, added, seed)

    def scores_by_amount(self, pool: Packages, made: Iterable[Image], seed: int) -> dict[str, Scores]:
        """Return what a model reaches that was trained on annotated packages, and one with each of `AMOUNTS` of images.

        `made` are as many images as the largest amount. Smaller ones are the first of them.
        """
        random, images = np.random.default_rng([seed, 0]), iter(made)
        real, added = real_places(self.dense, pool, random), dict[str, list[Places]]()
        parts = list[Places]()
        for fewer, amount in pairwise((0, *AMOUNTS)):
            parts.append(self.dense.places(islice(images, amount - fewer), random))
            added[str(amount)] = [joined(parts)]
        return self._tested(real, added, seed)

    def _tested(self, real: list[Places], added: Mapping[str, list[Places]], seed: int) -> dict[str, Scores]:
        """Return what models reach that were trained with real places alone, and with others as well."""
        groups = {CLASSICAL: real, **{way: [*real, *others] for way, others in added.items()}}
        models = {way: InspectionModel(real[0].features_PF.shape[1], seed) for way in groups}
        for _ in in_parallel(lambda way: models[way].train(groups[way]), groups):
            pass
        score_of, touched_NYX, kinds_N = seen_by(models, self.dense, self._held_out)
        return {way: measured(score_NYX, touched_NYX, kinds_N) for way, score_NYX in score_of.items()}


def real_places(dense: DenseFeatures, packages: Packages, random: np.random.Generator) -> list[Places]:
    """Return the places of annotated packages, and of classical changes of these."""
    images = list(images_of(annotated(packages)))
    return [dense.places(images, random), dense.places(classical(images, VARIANTS, random), random)]


def seen_by(
    models: Mapping[str, InspectionModel], dense: DenseFeatures, packages: Packages
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_], NDArray[np.str_]]:
    """Return what models say of annotated packages: the scores of each, N x Y x X, the places of defects, and kinds."""
    kinds_N = np.array([kind_of(package) for package in packages.listed])
    found: dict[str, list[NDArray[np.float32]]] = {way: [] for way in models}
    touches = list[NDArray[np.bool_]]()
    for features_FYX, touched_YX in dense.seen(images_of(packages)):
        touches.append(touched_YX.numpy())
        for way, model in models.items():
            found[way].append(model.scores(features_FYX).numpy())
    return {way: np.stack(scores) for way, scores in found.items()}, np.stack(touches), kinds_N


def measured(score_NYX: NDArray[np.float32], touched_NYX: NDArray[np.bool_], kinds_N: NDArray[np.str_]) -> Scores:
    """Return how well scores tell images of each kind from those of no kind, and places of defects from others."""
    score_N, bad_N = score_NYX.max(axis=(1, 2)), kinds_N != ""
    limit = float(np.quantile(score_N[~bad_N], 1 - FALSE_ALARMS, method="higher"))
    found: Scores = {
        "auc": float(roc_auc_score(bad_N, score_N)),
        "f1": _best_f1(touched_NYX.ravel(), score_NYX.ravel()),
    }
    small_N = ~bad_N | _smallest_third(touched_NYX.sum(axis=(1, 2)), bad_N)
    found["smallest"] = precision_of_places(touched_NYX[small_N], score_NYX[small_N])
    for kind in ["", *sorted(set(kinds_N[bad_N].tolist()))]:
        asked_N = kinds_N == kind if kind else bad_N
        shown_N = asked_N | ~bad_N
        found[f"recall {kind}".strip()] = float(np.mean(score_N[asked_N] > limit))
        found[f"average_precision {kind}".strip()] = float(average_precision_score(asked_N[shown_N], score_N[shown_N]))
        found[f"places {kind}".strip()] = precision_of_places(touched_NYX[shown_N], score_NYX[shown_N])
    return found


def precision_of_places(touched_NYX: NDArray[np.bool_], score_NYX: NDArray[np.float32]) -> float:
    """Return the average precision by which scores tell places of defects from others."""
    return float(average_precision_score(touched_NYX.ravel(), score_NYX.ravel()))


def _best_f1(touched_P: NDArray[np.bool_], score_P: NDArray[np.float32]) -> float:
    """Return the largest F1 that any threshold reaches."""
    precision_T, recall_T, _ = precision_recall_curve(touched_P, score_P)
    return float((2 * precision_T * recall_T / np.maximum(precision_T + recall_T, 1e-9)).max())


def _smallest_third(places_N: NDArray[np.int64], bad_N: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which images show the smallest defects, by how many places these touch."""
    return bad_N & (places_N <= np.quantile(places_N[bad_N], 1 / 3))


def annotated(packages: Packages) -> Packages:
    """Return the packages that have a mask. One of zeros means that somebody looked and found nothing."""
    return packages.chosen([at for at, package in enumerate(packages.listed) if package.masks])


def kind_of(package: Package) -> str:
    """Return the kind of a package's first defect, or nothing."""
    return package.defects[0].kind if package.defects else ""


def images_of(packages: Packages) -> Iterator[Image]:
    """Yield annotated packages: pixels, H x W x C, and the mask, H x W."""
    for x_CHW, mask_HW in zip(packages, packages.masks(), strict=True):
        assert mask_HW is not None
        yield x_CHW.permute(1, 2, 0).numpy(), mask_HW.numpy()


def made_images(
    pool: Pool, paints: Mapping[str, Paint], needs: Mapping[str, float], random: np.random.Generator
) -> Iterator[Image]:
    """Yield packages with made defects, more of a kind the more it needs them, each kind made in its way."""
    for kind in by_need({kind: needs[kind] for kind in paints}, MADE_IMAGES):
        made = pool.make(kind, DEFECTS_PER_IMAGE, random, paints[kind])
        yield made.pixels_HWC, made.mask_HW


def added(
    runs: Runs, way: str, of_images: str = "auc", of_places: str = "places", confidence: float = CONFIDENCE
) -> Added:
    """Return what a way adds to classical augmentation in a measure of images and in one of places."""
    return Added(*(gain(runs, way, measure, confidence=confidence) for measure in (of_images, of_places)))


def gain(runs: Runs, way: str, measure: str, over: str = CLASSICAL, confidence: float = CONFIDENCE) -> Gain:
    """Return what a way of training adds to another one in a measure, over paired runs."""
    return gain_of([run[way][measure] for run in runs], [run[over][measure] for run in runs], confidence)
