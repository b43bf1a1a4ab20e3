"""Usefulness: how much synthetic images improve an inspection model that is tested on held-out lots.

A small inspection model is trained from scratch in three ways: on real images, on real images with classical
augmentation, and on real and synthetic images with classical augmentation. In the third way, synthetic images of the
same classes take the place of half of each batch. Nothing else differs from the second way: the initial weights, the
number of steps, and the draws of classes, real images and augmentations are the same. Several runs repeat this with
other random numbers.

The score is the average precision of a class against all others, as the mean over the classes. A rare class counts as
much as a frequent one, and no threshold has to be chosen. Guessing scores about 1 / number of classes.

Images are shrunk to `SIZE_PX` or less as they are read, so defects must be visible at this size. An image then takes at
most 96 KiB of memory, and 10,000 images take 1 GB.

Dimensions: N images, C channels, H W pixels, B batch, K classes, R runs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from torch.nn import functional

from fabgan.model.pixels import to_float
from fabgan.model.streams import random_stream

from ..core.errors import UserError
from ..core.progress import Progress
from .gains import gain_of

SIZE_PX = 128
MIN_SIZE_PX = 64
RUNS = 5
STEPS = 200
BATCH = 16
LEARNING_RATE = 0.01

MAX_SHIFT = 1 / 16
"""As a share of the side of an image."""
MAX_CONTRAST = 0.2
MAX_BRIGHTNESS = 0.2
"""In units of pixels in [-1, 1]."""
NOISE = 0.02
"""Standard deviation, in units of pixels in [-1, 1]."""

WIDTHS = (16, 64)
KERNELS_PX = (7, 3)
STRIDES_PX = (4, 2)
GROUPS = 4

REMEDIES = {
    "training": "change ingest.seed or lower ingest.held_out_share, so that a lot with this class is left for training",
    "held-out": "change ingest.seed or raise ingest.held_out_share, so that a lot with this class is held out",
    "synthetic": "generate images of every class, or leave this class out of the real images",
}
"""What to do if a class is missing, by the set that lacks it."""


@dataclass(frozen=True)
class Usefulness:
    """The scores of inspection models on held-out lots, one a run, in [0, 1]."""

    real: tuple[float, ...]
    """Trained on real images."""
    augmented: tuple[float, ...]
    """Trained on real images with classical augmentation."""
    synthetic: tuple[float, ...]
    """Trained on real and synthetic images with classical augmentation."""
    gain: float
    """Mean of `synthetic` - `augmented` over the runs. It is negative where synthetic images do harm."""
    gain_low: float
    """The 95% confidence interval of the gain, by Student's t over the runs, begins here ..."""
    gain_high: float
    """... and ends here. It covers the chance in training, not the choice of images."""

    @property
    def gains(self) -> list[float]:
        """`synthetic` - `augmented`, of each run."""
        return [ours - theirs for ours, theirs in zip(self.synthetic, self.augmented, strict=True)]


def usefulness(
    real: Iterable[Tensor],
    labels: Sequence[str],
    held_out: Iterable[Tensor],
    held_out_labels: Sequence[str],
    synthetic: Iterable[Tensor],
    synthetic_labels: Sequence[str],
    seed: int,
    steps: int = STEPS,
) -> Usefulness:
    """Return how useful synthetic images are beside the real training images.

    Images are square, C x H x W uint8, of one size that is at least `MIN_SIZE_PX`. They are read one by one. Each has a
    class label, and keeps its class when augmentation turns it by 90 degrees.

    `steps` is the length of each training, in batches of `BATCH` images. Fine defects need more steps. If all scores
    are near guessing, the training is too short to tell the classes apart, and the gain says nothing.

    Raises UserError for fewer than two classes, for a class that one of the three sets lacks, and for images that are
    too small or of different shapes. Raises ValueError unless there are as many labels as images.
    """
    names = _class_names({"training": labels, "held-out": held_out_labels, "synthetic": synthetic_labels})
    training = _examples(real, labels, names)
    tested = _examples(held_out, held_out_labels, names)
    added = _examples(synthetic, synthetic_labels, names)
    _refuse_different_shapes([examples.x_NCHW[0] for examples in (training, tested, added)])
    progress = Progress("usefulness", RUNS, "runs")
    scores = []
    for number in range(RUNS):
        run = _Run(training, tested, len(names), steps, seed, number)
        scores.append((run.score(augment=False), run.score(augment=True), run.score(augment=True, added=added)))
        progress.advance(1)
    return _compared(*zip(*scores, strict=True))


def _class_names(labels_of: dict[str, Sequence[str]]) -> list[str]:
    """Return the classes in alphabetical order. Raises UserError unless there are two, and every set has them all."""
    names = sorted(set().union(*labels_of.values()))
    if len(names) < 2:
        raise UserError(
            f"usefulness cannot be measured: the images have {len(names)} class(es), and an inspection model needs at "
            "least two; see ingest.labels_file"
        )
    for what, labels in labels_of.items():
        for name in sorted(set(names) - set(labels)):
            raise UserError(f"usefulness cannot be measured: no {what} image has the class {name!r}; {REMEDIES[what]}")
    return names


@dataclass(frozen=True)
class _Examples:
    """Images, N x C x H x W uint8, and the number of the class of each, int64."""

    x_NCHW: Tensor
    numbers_N: Tensor

    def drawn(self, numbers_B: Tensor, stream: torch.Generator) -> Tensor:
        """Return a random image of each of these classes, B x C x H x W uint8."""
        fits_BN = numbers_B[:, None] == self.numbers_N
        return self.x_NCHW[torch.multinomial(fits_BN.float(), 1, generator=stream)[:, 0]]


def _examples(images: Iterable[Tensor], labels: Sequence[str], names: list[str]) -> _Examples:
    """Read images one by one. Raises UserError for images that are too small or differ in shape."""
    shrunk = [_shrunk(x_CHW) for x_CHW, _ in zip(images, labels, strict=True)]
    _refuse_different_shapes(shrunk)
    return _Examples(torch.stack(shrunk), torch.tensor([names.index(label) for label in labels]))


def _shrunk(x_CHW: Tensor) -> Tensor:
    """Return an image averaged down to `SIZE_PX` a side, or as it is if it is smaller, C x H x W uint8."""
    size_px = x_CHW.shape[-1]
    if size_px < MIN_SIZE_PX:
        raise UserError(
            f"usefulness cannot be measured: an image has {size_px} px a side, and {MIN_SIZE_PX} px is the minimum; "
            "see crop_resize.sizes_px"
        )
    return functional.adaptive_avg_pool2d(x_CHW.float(), min(size_px, SIZE_PX)).round().to(torch.uint8)


def _refuse_different_shapes(images: list[Tensor]) -> None:
    shapes = sorted({tuple(x_CHW.shape) for x_CHW in images})
    if len(shapes) > 1:
        raise UserError(
            f"usefulness cannot be measured: images differ in shape, {shapes[0]} and {shapes[1]} (channels, height, "
            "width); use synthetic images that are as large as the real ones, and in colour if those are"
        )


def _compared(real: tuple[float, ...], augmented: tuple[float, ...], synthetic: tuple[float, ...]) -> Usefulness:
    gain = gain_of(synthetic, augmented)
    return Usefulness(real, augmented, synthetic, gain.mean, gain.low, gain.high)


class ImageClassifier(nn.Module):
    """A small convolutional classifier. Defects are small, so it uses the maximum of each map besides its mean."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        shapes = zip(pairwise((channels, *WIDTHS)), KERNELS_PX, STRIDES_PX, strict=True)
        self.layers = nn.Sequential(*(_layer(*widths, kernel_px, stride_px) for widths, kernel_px, stride_px in shapes))
        self.head = nn.Linear(2 * WIDTHS[-1], classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return logits, B x K float, of images of any size, float."""
        maps_BCHW = self.layers(x_BCHW)
        logits_BK: Tensor = self.head(torch.cat([maps_BCHW.mean(dim=(2, 3)), maps_BCHW.amax(dim=(2, 3))], dim=1))
        return logits_BK


def _layer(narrow: int, wide: int, kernel_px: int, stride_px: int) -> nn.Module:
    convolution = nn.Conv2d(narrow, wide, kernel_px, stride_px, padding=kernel_px // 2)
    return nn.Sequential(convolution, nn.GroupNorm(GROUPS, wide), nn.ReLU())


@dataclass(frozen=True)
class _Run:
    """Trainings that begin with the same weights and make the same draws."""

    training: _Examples
    tested: _Examples
    classes: int
    steps: int
    seed: int
    number: int

    def score(self, augment: bool, added: _Examples | None = None) -> float:
        """Train an inspection model, with `added` images for half of each batch, and return its score."""
        model = self._untrained()
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
        # Smith and Topin 2018, arXiv:1708.07120
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=self.steps)
        for step in range(self.steps):
            x_BCHW, numbers_B = self._batch(step, augment, added)
            optimizer.zero_grad()
            functional.cross_entropy(model(x_BCHW), numbers_B).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return _mean_average_precision(model, self.tested)

    def _untrained(self) -> ImageClassifier:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._stream("weights").initial_seed())
            return ImageClassifier(self.training.x_NCHW.shape[1], self.classes)

    def _batch(self, step: int, augment: bool, added: _Examples | None) -> tuple[Tensor, Tensor]:
        """Return images, float in [-1, 1] before augmentation, and their classes. All classes are equally likely."""
        numbers_B = torch.randint(self.classes, (BATCH,), generator=self._stream("classes", step))
        x_BCHW = self.training.drawn(numbers_B, self._stream("real", step))
        if added is not None:
            half = BATCH // 2
            x_BCHW[:half] = added.drawn(numbers_B[:half], self._stream("synthetic", step))
        x_BCHW = to_float(x_BCHW)
        return _augmented(x_BCHW, self._stream("augmentation", step)) if augment else x_BCHW, numbers_B

    def _stream(self, *place: int | str) -> torch.Generator:
        return random_stream(self.seed, "usefulness", self.number, *place)


def _augmented(x_BCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Return images that are shifted, turned by a multiple of 90 degrees, and changed in contrast and brightness.

    The noise is the same for all images of a batch, because drawing it takes as long as a layer of the network.
    """
    x_BCHW = _moved(x_BCHW, stream)
    contrast_B111 = MAX_CONTRAST * _uniform(len(x_BCHW), stream)
    brightness_B111 = MAX_BRIGHTNESS * _uniform(len(x_BCHW), stream)
    noise_CHW = NOISE * torch.randn(x_BCHW.shape[1:], generator=stream)
    return x_BCHW.mul_(1 + contrast_B111).add_(brightness_B111).add_(noise_CHW)


def _uniform(count: int, stream: torch.Generator) -> Tensor:
    """Return numbers in [-1, 1), one an image, B x 1 x 1 x 1."""
    return torch.rand(count, 1, 1, 1, generator=stream) * 2 - 1


def _moved(x_BCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Return images that are shifted and turned. The pixels of their borders fill the gaps."""
    size_px = x_BCHW.shape[-1]
    margin_px = round(MAX_SHIFT * size_px)
    shifts_B2 = torch.randint(2 * margin_px + 1, (len(x_BCHW), 2), generator=stream)
    turns_B = torch.randint(4, (len(x_BCHW),), generator=stream)
    padded_BCHW = functional.pad(x_BCHW, (margin_px,) * 4, mode="replicate")
    return torch.stack(
        [
            torch.rot90(x_CHW[:, top : top + size_px, left : left + size_px], turns, (1, 2))
            for x_CHW, (top, left), turns in zip(padded_BCHW, shifts_B2.tolist(), turns_B.tolist(), strict=True)
        ]
    )


@torch.inference_mode()
def _mean_average_precision(model: ImageClassifier, examples: _Examples) -> float:
    logits_NK = torch.cat([model(to_float(x_BCHW)) for x_BCHW in torch.split(examples.x_NCHW, BATCH)])
    truth_NK = functional.one_hot(examples.numbers_N, logits_NK.shape[1])
    scores_NK = logits_NK.double().log_softmax(dim=1)
    return float(average_precision_score(truth_NK.numpy(), scores_NK.numpy(), average="macro"))
