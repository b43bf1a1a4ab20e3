"""The `ingest` section of params.yaml."""

import re

from ..core.parameters import Address, NonNegativeInt, PositiveInt, Share, parameters


@parameters
class IngestParameters:
    """The `ingest` section of params.yaml."""

    source: Address
    """A folder of photographs, `s3://bucket/prefix`, `git+URL#path` of a DVC repository, or a .yaml file that describes
    frames to render."""
    revision: str = ""
    """DVC repository: tag, branch or commit; empty for the newest commit of its default branch. Bucket or .yaml file:
    the digest that it must have; empty for any. Folder: empty."""
    lot_pattern: str = "^([^/]+)/"
    """Regular expression over the path below the source. Its first group names the lot. A group called `product` within
    it, if there is one, names the product: `^((?P<product>[^/]+)/[^/]+)/`."""
    labels_file: str = ""
    """CSV file in the source with the columns `file` and `label`; empty for none."""
    annotations: str = ""
    """Annotations of defects in the source: a file, a folder, or a pattern in which * stands for any text, such as
    `*.json`. COCO JSON, labelme JSON, YOLO text, VOC XML, or masks; empty for none."""
    boxes: str = ""
    """Boxes of packages in the source, named and written as annotations are: shapes of the kind `package`, or of the
    only kind. `crop_resize.find: box` needs them; empty for none."""
    held_out_share: Share = 0.1
    """Minimum share of each product's frames, in whole lots, that is held out from training."""
    max_quarantined_share: Share = 0.1
    """Maximum share of unusable images; above it, the step fails."""
    min_side_px: PositiveInt = 256
    """Minimum length of an image's shorter side; a smaller image is quarantined."""
    bits: NonNegativeInt = 0
    """Bits in use of photographs of 16 bits: 10, 12, 14 or 16. 0 finds out, from the files or their largest value."""
    seed: NonNegativeInt = 1
    """Chooses the lots that are held out."""

    def __post_init__(self) -> None:
        """Refuse a pattern that does not compile or has no group for the lot, and impossible bits."""
        if self.bits and not 8 <= self.bits <= 16:
            raise ValueError(f"bits: expected 0, or 8 to 16, got {self.bits}")
        try:
            groups = re.compile(self.lot_pattern).groups
        except re.error as error:
            raise ValueError(f"lot_pattern: {self.lot_pattern!r} is not a regular expression: {error}") from error
        if groups < 1:
            raise ValueError(
                f"lot_pattern: expected a group in parentheses that names the lot, got {self.lot_pattern!r}"
            )
