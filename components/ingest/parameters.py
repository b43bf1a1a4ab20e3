"""The `ingest` section of params.yaml."""

import re

from ..core.parameters import NonNegativeInt, PositiveInt, Share, parameters


@parameters
class IngestParameters:
    """The `ingest` section of params.yaml."""

    source: str
    """A folder of photographs, `s3://bucket/prefix`, `git+URL#path` of a DVC repository, or a .yaml file that says
    which frames to render."""
    revision: str = ""
    """Of a DVC repository: tag, branch or commit, empty for the newest of its default branch. Of a bucket or a .yaml
    file: the digest that it must still have, or empty. Of a folder: empty."""
    lot_pattern: str = "^([^/]+)/"
    """Regular expression over the path below the source; its first group names the lot, and a group within it that is
    called `product`, if there is one, the product: `^((?P<product>[^/]+)/[^/]+)/`."""
    labels_file: str = ""
    """CSV file in the source with the columns `file` and `label`; empty for none."""
    held_out_share: Share = 0.1
    """At least this share of the frames of each product, whole lots, is kept from training."""
    max_quarantined_share: Share = 0.1
    """A larger share of unusable images fails the step."""
    min_side_px: PositiveInt = 256
    """A smaller image is quarantined."""
    seed: NonNegativeInt = 1
    """Chooses the lots that are held out."""

    def __post_init__(self) -> None:
        """Refuse a pattern that does not compile or names no lot."""
        try:
            groups = re.compile(self.lot_pattern).groups
        except re.error as error:
            raise ValueError(f"lot_pattern is not a regular expression: {error}") from error
        if groups < 1:
            raise ValueError("lot_pattern needs a group in parentheses that names the lot")
