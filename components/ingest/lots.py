"""The lots and products of photographs, by their paths."""

import re
from collections import Counter
from collections.abc import Iterable

from ..core.log import logger
from .spelling import warn_of_twins, with_plain_blanks

LOG = logger("ingest")


def lot_of(path: str, pattern: str) -> tuple[str, str]:
    """Return the lot and the product of a photograph, as `IngestParameters.lot_pattern` says, by what its path shows.

    A photograph without a lot is one of its own. An unknown product is empty.
    """
    path = with_plain_blanks(path)
    match = re.search(with_plain_blanks(pattern), path)
    if match is None:
        return path, ""
    return match.group(1) or path, match.groupdict().get("product") or ""


def warn_of_lots(lots_and_products: Iterable[tuple[str, str]]) -> None:
    """Warn of names that may mean the same, and if most photographs are lots of their own."""
    lots, products = (Counter(names) for names in zip(*lots_and_products, strict=True))
    for names, what in ((lots, "lots"), (products, "products")):
        warn_of_twins(names, what, "ingest.lot_pattern")
    single = sum(count == 1 for count in lots.values())
    if single > lots.total() / 2:
        LOG.warning(
            "%d of %d photographs are lots of their own, so near-duplicates may be in both training and held-out "
            "data; put each lot into a folder, or correct ingest.lot_pattern",
            *(single, lots.total()),
        )
