"""How well a classifier that was trained for it tells generated from real images, on lots that it has not seen.

Dimensions: N images, P patches per image, C channels, R pixels a side.
"""

import torch
from torch import Tensor

from fabgan.model.measures.classifier import Classifier
from fabgan.model.measures.distances import above, separation, separation_of_folds

from ..artifacts.parallel import in_parallel
from ..artifacts.verdict import Check, check_of

AUC_BY_CHANCE = 0.5


def floor_of(every_NPCRR: Tensor, deals: list[tuple[Tensor, ...]], seed: int) -> Tensor:
    """Return the area under the ROC curve when lots are told from other lots, one for each deal of `lot_deals`."""
    channels = every_NPCRR.shape[2]

    def separated(trained: tuple[Classifier, tuple[Tensor, ...]]) -> float:
        classifier, parts = trained
        ours, others, new, new_others = (every_NPCRR[part_N] for part_N in parts)
        classifier.train(ours, others)
        return separation(classifier.scores(new), classifier.scores(new_others))

    return torch.tensor(list(in_parallel(separated, ((Classifier(channels, seed), parts) for parts in deals))))


def told_apart(
    generated_NPCRR: Tensor, training_NPCRR: Tensor, held_out_NPCRR: Tensor, floor: Tensor, way: float, seed: int
) -> tuple[Check, Tensor]:
    """Return the check of the area under the ROC curve, and a score of each generated image, higher for worse ones.

    One half of the generated images, in their order, and the training images train a classifier. The other half and the
    held-out images test it. Then the halves change places. `way` is how far the limit lies on the way from the highest
    floor to 1.
    """
    highest = max([AUC_BY_CHANCE, *floor.tolist()])
    halves = generated_NPCRR.tensor_split(2)
    channels = generated_NPCRR.shape[2]

    def scored(pair: tuple[Classifier, tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
        classifier, (seen, new) = pair
        classifier.train(seen, training_NPCRR)
        real_N, new_N = classifier.scores(held_out_NPCRR), classifier.scores(new)
        return new_N - real_N.mean(), above(new_N, real_N)

    pairs = ((Classifier(channels, seed), ordered) for ordered in (halves, halves[::-1]))
    scores, folds = zip(*in_parallel(scored, pairs), strict=True)
    auc, error = separation_of_folds(folds)
    check = check_of(
        name="two_sample_auc",
        value=auc if all(bool(score_N.isfinite().all()) for score_N in scores) else None,
        deviation=error,
        floor=float(floor.median()) if len(floor) else None,
        at_most=highest + way * (1 - highest),
        meaning=(
            "How well a small network, trained with half of the images, tells the others from held-out ones. "
            "0.5 is chance, lower is better."
        ),
    )
    return check, torch.cat(scores[::-1])
