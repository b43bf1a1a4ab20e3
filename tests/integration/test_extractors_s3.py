"""A TorchScript network in a real object store."""

import hashlib
import io
import warnings

import pytest
import torch
from torch import Tensor, nn

from fabgan.components.core.errors import UserError
from fabgan.components.measures.extractors import open_extractor
from tests.servers.bucket import Bucket

pytestmark = pytest.mark.integration


class Means(nn.Module):
    """Returns the mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


@pytest.fixture
def content() -> bytes:
    """The network as a TorchScript file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Means()), file)
    return file.getvalue()


def test_a_network_is_fetched_from_the_store_by_its_whole_key(bucket: Bucket, content: bytes) -> None:
    bucket.put("nets/fab.pt", content)
    bucket.put("nets/fab.pt.sha256", b"another object, whose key begins alike")
    extractor = open_extractor(bucket.url("nets/fab.pt"), hashlib.sha256(content).hexdigest())
    assert extractor.name == "fab"
    x_NCHW = torch.full((2, 3, 8, 8), 7, dtype=torch.uint8)
    assert torch.equal(extractor.whole(x_NCHW), torch.full((2, 3), 7.0, dtype=torch.float64))


def test_an_object_with_a_flipped_bit_is_refused(bucket: Bucket, content: bytes) -> None:
    bucket.put("nets/fab.pt", content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=rf"s3://{bucket.name}/nets/fab\.pt: expected the sha256"):
        open_extractor(bucket.url("nets/fab.pt"), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("key", ["nets/fab", "nets", ""])
def test_an_object_that_is_not_there_is_told_by_its_address(bucket: Bucket, content: bytes, key: str) -> None:
    bucket.put("nets/fab.pt", content)
    with pytest.raises(UserError, match=f"{bucket.url(key)}: there is no such object; correct its name"):
        open_extractor(bucket.url(key), hashlib.sha256(content).hexdigest())
