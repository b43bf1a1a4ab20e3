"""Networks in TorchScript files: what they may return, and the refusal of every other file.

Dimensions: N images, C channels.
"""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fabgan.components.core.errors import UserError
from fabgan.components.measures.extractors import inception, open_extractor
from tests.unit.test_extractors import flip_bit, images, sha256


class Means(nn.Module):
    """Returns the mean of each channel, if it is not in training."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.9)

    def forward(self, x: Tensor) -> Tensor:
        means_NC: Tensor = self.dropout(x.mean((2, 3)))  # of uint8, this would fail
        return means_NC


class Repeated(nn.Module):
    """Stands in for Inception: `width` features of uint8 images, or logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        assert x.dtype == torch.uint8
        return x.float().mean((1, 2, 3))[:, None].repeat(1, self.width if return_features else 1008)


class Pair(nn.Module):
    """Returns two tensors."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Maps(nn.Module):
    """Returns maps."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class OneRow(nn.Module):
    """Returns one row, whatever the number of images."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:1].mean((2, 3))


def saved(module: nn.Module, file: Path) -> tuple[str, str]:
    """Save a module as TorchScript; return the file and its SHA-256."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), file)
    return str(file), sha256(file)


def test_a_torchscript_file_gets_images_of_native_size(tmp_path: Path) -> None:
    file, digest = saved(Means(), tmp_path / "fab-net.v2.pt")
    extractor = open_extractor(file, digest)
    assert (extractor.name, extractor.sha256) == ("fab-net.v2", digest)
    x_NCHW = images(5, 50)
    for features_NF in (extractor.whole(x_NCHW), extractor.native(x_NCHW)):
        assert features_NF.dtype == torch.float64
        assert torch.allclose(features_NF, x_NCHW.double().mean((2, 3)), rtol=1e-5)


def test_inception_gives_its_features_and_not_its_logits(tmp_path: Path) -> None:
    file, digest = saved(Repeated(2048), tmp_path / "inception-2015-12-05.pt")
    extractor = inception(file, digest)
    assert (extractor.name, extractor.sha256) == ("inception", digest)
    grey_NCHW = images(5, 50, channels=1)
    assert torch.allclose(extractor.whole(grey_NCHW), grey_NCHW.double().mean((1, 2, 3))[:, None].expand(5, 2048))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Repeated(2047), "expected 2048 features for FID, got 2047"),
        (Means(), "the network fails for images .*: forward\\(\\) expected at most 2"),
    ],
)
def test_another_network_is_not_taken_for_inception(tmp_path: Path, module: nn.Module, words: str) -> None:
    extractor = inception(*saved(module, tmp_path / "other.pt"))
    with pytest.raises(UserError, match=rf"other\.pt: {words}"):
        extractor.whole(images(2, 50))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Pair(), r"expected features N x F of 2 image\(s\), got tuple"),
        (Maps(), r"expected features N x F of 2 image\(s\), got \(2, 3, 50, 50\)"),
        (OneRow(), r"expected features N x F of 2 image\(s\), got \(1, 3\)"),
        (Repeated(8), r"the network fails for images \(2, 3, 50, 50\): .*Error"),
    ],
)
def test_what_is_not_a_row_of_features_an_image_is_refused(tmp_path: Path, module: nn.Module, words: str) -> None:
    extractor = open_extractor(*saved(module, tmp_path / "other.pt"))
    with pytest.raises(UserError, match=rf"other\.pt: {words}") as raised:
        extractor.native(images(2, 50))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("opened", [open_extractor, inception])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_a_file_with_a_flipped_bit_is_refused(tmp_path: Path, opened: type, place: float) -> None:
    file, digest = saved(Means(), tmp_path / "net.pt")
    flip_bit(Path(file), place)
    with pytest.raises(UserError, match=f"net.pt: expected the sha256 '{digest}', got '{sha256(Path(file))}'; copy"):
        opened(file, digest)


def test_a_digest_must_be_given(tmp_path: Path) -> None:
    file, digest = saved(Means(), tmp_path / "net.pt")
    with pytest.raises(UserError, match=f"net.pt: expected the sha256 '', got '{digest}'"):
        open_extractor(file, "")


def test_a_missing_file_and_a_file_of_another_kind_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.pt: cannot be read: No such file or directory; correct its path"):
        open_extractor(str(tmp_path / "none.pt"), "0" * 64)
    other = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(3)}, other)
    with pytest.raises(UserError, match=r"other\.pt: not a TorchScript network"):
        open_extractor(str(other), sha256(other))


@pytest.mark.parametrize("name", ["inception", "efficientnet_lite1"])
def test_a_file_does_not_take_the_name_of_a_known_network(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name}.pt: {name} is the name of another network; rename the file"):
        open_extractor(*saved(Means(), tmp_path / f"{name}.pt"))
