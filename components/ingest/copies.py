"""Photographs that lie in a source more than once, byte for byte. The first one counts, with what is said of any."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..artifacts.manifest import Quarantined
from ..core.errors import UserError
from ..core.resumable import Record

SAID = {"label": ("label",), "mask": ("mask", "mask_sha256"), "boxes": ("boxes_px",)}
"""What people say of a photograph, and the fields of its record that hold it. The last field is compared."""


def without_copies(records: Iterable[Record]) -> tuple[list[Record], list[Quarantined]]:
    """Return the first record of each content, with the label, the mask and the boxes of any copy, and the copies.

    Raises UserError, with both paths, if two copies differ in one of these.
    """
    alike: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        alike[record["sha256"]].append(record)
    copies = [
        Quarantined(copy["source"], f"the same bytes as {same[0]['source']}")
        for same in alike.values()
        for copy in same[1:]
    ]
    return [_joined(same) for same in alike.values()], sorted(copies, key=lambda copy: copy.source)


def _joined(same: Sequence[Record]) -> Record:
    joined = dict(same[0])
    for what, fields in SAID.items():
        said = [record for record in same if record.get(fields[-1])]
        for record in said:
            if record[fields[-1]] != said[0][fields[-1]]:
                raise UserError(
                    f"{said[0]['source']} and {record['source']} are the same photograph, byte for byte, but the "
                    f"{what} of one is not that of the other; correct one of them, or delete one photograph"
                )
        joined |= {field: said[0][field] for field in fields if said}
    return joined
