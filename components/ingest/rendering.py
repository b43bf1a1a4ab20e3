"""Frames that are rendered in place of photographs, as a .yaml source describes them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..artifacts.contact import thumbnail
from ..core.errors import UserError
from ..core.files import sha256_of_file, write_json
from ..core.images import WHITE_8_BIT, ImageFacts, write_jpeg
from ..core.parameters import NonNegativeInt, PositiveInt, digest, load_yaml, parameters, parse
from ..core.resumable import Record, Reuse, map_resumably
from .parameters import IngestParameters
from .records import file_record, mask_record, truth_file
from .renderer import DEFECT_KINDS, RendererParameters, kind_of_frame, render_frame


@parameters
class RenderedSource:
    """The content of a .yaml source: how many frames to render, and with which parameters."""

    frames: PositiveInt
    seed: NonNegativeInt
    renderer: RendererParameters
    masks: bool = False
    """Write the exact mask of every frame."""
    pairs: bool = False
    """Render every frame with a defect a second time, without the defect."""


@dataclass(frozen=True)
class _Rendered:
    source: RenderedSource
    index: int
    without_defect: bool

    @property
    def name(self) -> str:
        return f"frame-{self.index:05d}" + ("-good" if self.without_defect else "")


def render(params: IngestParameters, code: str, folder: Path, reuse: Reuse) -> tuple[list[Record], list[str]]:
    """Render the frames of the source into a folder; return their records, and the kinds that masks tell apart.

    `code` is the digest of the code that renders. Frames of an earlier result that are the same are taken over.
    """
    path = Path(params.source)
    source = parse(RenderedSource, load_yaml(path), str(path))
    if params.annotations:
        raise UserError(f"ingest.annotations: rendered frames have none; write `masks: true` into {path} instead")
    made_by = digest([asdict(source.renderer), source.seed, source.masks, code])[:16]
    items = [(f"{item.name}-{made_by}", item) for item in _items(source)]
    return map_resumably("ingest (rendering)", _render_one, items, folder, reuse), _kinds(source)


def _items(source: RenderedSource) -> Iterator[_Rendered]:
    for index in range(source.frames):
        yield _Rendered(source, index, without_defect=False)
        if source.pairs and kind_of_frame(source.renderer, source.seed, index):
            yield _Rendered(source, index, without_defect=True)


def _kinds(source: RenderedSource) -> list[str]:
    return sorted(DEFECT_KINDS) if source.masks else []


def _render_one(item: _Rendered, folder: Path) -> Record:
    source = item.source
    renderer = replace(source.renderer, defect_share=0.0) if item.without_defect else source.renderer
    frame = render_frame(renderer, source.seed, item.index, source.masks)
    file, truth = f"frames/{item.name}.jpg", truth_file(item.name)
    write_jpeg(folder / file, frame.image)
    write_json(folder / truth, frame.truth.to_json())
    height_px, width_px = frame.image.shape[:2]
    facts = ImageFacts(width_px, height_px, "L" if renderer.grey else "RGB", None, WHITE_8_BIT)
    known = {
        "name": item.name,
        "source": f"rendered:{source.seed}/{item.index}" + ("/good" if item.without_defect else ""),
        "label": frame.truth.label,
        "lot": frame.truth.lot,
        "product": frame.truth.product,
        "thumbnail": thumbnail(frame.image, mask=frame.mask),
        "truth": truth,
        "truth_sha256": sha256_of_file(folder / truth),
    } | file_record(folder, file, facts)
    if frame.mask is None:
        return known
    kinds = [defect.kind for defect in frame.truth.defects]
    value = _kinds(source).index(kinds[0]) + 1 if kinds else 0
    return known | mask_record(folder, item.name, frame.mask * value)
