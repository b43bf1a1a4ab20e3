"""The manifest: the images of a folder, their sources, and the files that could not be used, with the reasons.

`manifest.json` lies in the folder that it describes. Its paths are relative to that folder.
"""

from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..core.errors import UserError
from ..core.files import Marker, read_json, sha256_of_file, write_json
from ..core.parameters import parameters, parse

FILE_NAME = "manifest.json"
Split = Literal["train", "held_out"]
T = TypeVar("T")
ONLY_IF_GIVEN = frozenset({
    "boxes_px", "mask", "mask_sha256", "kinds", "masks", "masks_sha256", "defects", "defects_outside_px",
    "keystone_deg", "near_duplicates", "quarters", "turn_margin", "turn_is_doubtful",
})  # fmt: skip
"""Fields that are left out where they are empty, so that they change no manifest of images without annotations."""


@parameters
class Frame:
    """One verified photograph or rendered frame, with its bytes unchanged."""

    name: str
    """Unique in the manifest. Derived files are named after it."""
    file: str
    source: str
    """Its origin: a path below the source, or `rendered:SEED/INDEX`."""
    sha256: str
    size_bytes: int
    width_px: int
    height_px: int
    mode: str
    """Pillow's mode of the file: L, RGB, I;16, ..."""
    white_level: float
    """The value that means white: 255, or another one for images of more than 8 bits."""
    label: str | None
    lot: str
    """Frames of one lot resemble each other, so a lot is in one split as a whole."""
    product: str
    """Empty if unknown. Every product of at least two lots is in both splits."""
    split: Split
    mask: str = ""
    """Its file, if defects were annotated or looked for: 0 without a defect, k for the k-th kind of the manifest."""
    mask_sha256: str = ""
    boxes_px: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Left, top, right and bottom of each annotated package, from the frame's upper left corner (0, 0)."""


@parameters
class Defect:
    """An annotated defect of a package: a connected part of its mask."""

    kind: str
    box_px: tuple[int, int, int, int]
    """Left, top, right and bottom, in pixels of the crop before it is resized, from its upper left corner (0, 0). Times
    the scale of a size, it is the box in the image of that size."""
    area_px: int
    """In pixels of the crop before it is resized."""


@parameters
class Package:
    """One package, cut out of its frame, straightened and resized."""

    name: str
    source: str
    source_sha256: str
    label: str | None
    lot: str
    product: str
    """Empty if unknown."""
    split: Split
    outline_px: list[tuple[float, float]]
    """Corners of the package in the frame's pixels, clockwise."""
    angle_deg: float
    crop_px: float
    """Side of the square crop in the frame's pixels."""
    files: dict[str, str]
    """Side in pixels of the resized image -> its file."""
    scales: dict[str, float]
    """The same sides -> pixels of the resized image per pixel of the frame."""
    sha256: dict[str, str]
    """The same sides -> digest of the file."""
    masks: dict[str, str] = field(default_factory=dict)
    """The same sides -> the file of the mask; empty if the photograph was not annotated."""
    masks_sha256: dict[str, str] = field(default_factory=dict)
    """The same sides -> digest of the mask."""
    defects: list[Defect] = field(default_factory=list)
    defects_outside_px: int = 0
    """Annotated pixels of the frame that the crop leaves out."""
    keystone_deg: float = 0.0
    """The larger angle between opposite sides, if a homography made them parallel because the camera was tilted."""
    quarters: int = 0
    """Quarter turns, clockwise, of the crop after it was straightened, so that its product's packages lie alike."""
    turn_margin: float = 0.0
    """Lead of this turn over the second best, in correlation with the other packages of the product."""
    turn_is_doubtful: bool = False
    """Whether another turn fits nearly as well. Then the crop was not turned."""


@parameters
class Quarantined:
    """A file that could not be used."""

    source: str
    reason: str


@parameters
class FrameManifest:
    """What `ingest` writes."""

    source: str
    """The value of `ingest.source`."""
    revision: str
    """What pins the images in the source: a commit or a digest; empty for a folder."""
    listed: int
    """Number of files in the source, or of rendered frames: those of `images`, `quarantined` and `skipped` together."""
    skipped: dict[str, int]
    """How many files each rule skipped."""
    images: list[Frame]
    quarantined: list[Quarantined]
    kinds: list[str] = field(default_factory=list)
    """Kinds of annotated defects. The value k in a mask means the k-th."""


@parameters
class PackageManifest:
    """What `crop_resize` writes."""

    sizes_px: list[int]
    channels: int
    images: list[Package]
    quarantined: list[Quarantined]
    source: str = ""
    """That of the frames."""
    revision: str = ""
    """That of the frames."""
    kinds: list[str] = field(default_factory=list)
    """That of the frames."""
    near_duplicates: list[list[str]] = field(default_factory=list)
    """Groups of images that resemble each other closely but were in different lots, by name."""


@parameters
class GeneratedImage:
    """One image that a generator made."""

    file: str
    index: int
    sha256: str


@parameters
class GeneratedManifest:
    """What `augment` writes."""

    model: str
    weights_sha256: str
    image_size_px: int
    channels: int
    seed: int
    label: str
    """The class of all images; empty for all classes."""
    first: int
    """Index of the first image."""
    count: int
    images: list[GeneratedImage]
    images_per_file: int = 1
    """1 for PNG files; more for tar files of so many images."""


@parameters
class DefectImage:
    """A package into which defects of one kind were made."""

    file: str
    mask: str
    sha256: str
    mask_sha256: str
    kind: str
    index: int
    """Number of the image among those of its kind."""
    method: str
    """`pasted`, `fitted` or `both`."""
    boxes_px: list[tuple[int, int, int, int]]
    """Left, top, right and bottom of each part of the mask. Defects that touch are one part."""
    background: str
    """Name of the package."""
    defects_from: list[str]
    """Names of the packages that the defects come from."""


@parameters
class DefectManifest:
    """What `defects` writes."""

    packages_sha256: str
    image_size_px: int
    seed: int
    layout: str
    kinds: list[str]
    """The value k in a mask means the k-th, but in the layout `mvtec`, where 255 marks the defect."""
    images: list[DefectImage]
    request_sha256: str = ""
    """Digest of all that was asked for; empty in manifests of earlier versions."""


Manifest = FrameManifest | PackageManifest | GeneratedManifest | DefectManifest
CONTENTS: dict[type, tuple[str, frozenset[str]]] = {
    PackageManifest: ("packages of crop_resize", frozenset({"sizes_px", "channels", "images"})),
    FrameManifest: ("frames of ingest", frozenset({"source", "revision", "images", "quarantined"})),
    GeneratedManifest: ("images of augment", frozenset({"model", "weights_sha256", "count", "images"})),
    DefectManifest: ("images of defects", frozenset({"packages_sha256", "layout", "images"})),
}
"""What each manifest lists, and keys by which it is known, in earlier versions too. The first that fits counts."""


def entry_of(cls: type[T], record: Mapping[str, Any], **more: Any) -> T:
    """Return an entry of a manifest: the fields of the dataclass `cls` that a record holds, and `more`.

    Records also hold what no manifest lists, such as thumbnails.
    """
    return cls(**{name: value for name, value in record.items() if name in cls.__annotations__} | more)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into `folder`."""
    write_json(folder / FILE_NAME, _written(asdict(manifest)))


def _written(content: Any) -> Any:
    """Return the content of a manifest without empty fields that only some images have."""
    if isinstance(content, list):
        return [_written(item) for item in content]
    if not isinstance(content, dict):
        return content
    return {name: _written(value) for name, value in content.items() if value or name not in ONLY_IF_GIVEN}


def read_manifest(folder: Path, cls: type[T]) -> T:
    """Read `manifest.json` from `folder` as a `cls`. Raises UserError if it is missing or of another step."""
    path = _manifest_of(folder)
    content = read_json(path)
    if _class_of(content) not in (cls, None):
        found, wanted = _listed(_class_of(content)), _listed(cls)
        raise UserError(f"{folder}: holds {found}, and not {wanted}; name the folder with the {wanted}")
    return parse(cls, content, str(path))


def marker_of(cls: type) -> Marker:
    """Return what tells the folders with a manifest of a class from all others."""

    def objection(folder: Path) -> str:
        try:
            found = _class_of(read_json(folder / FILE_NAME))
        except UserError as error:
            return str(error)
        return "" if found is cls else _listed(found)

    return Marker(FILE_NAME, objection)


def _class_of(content: object) -> type | None:
    """Return the class of a manifest from its content; None for a file of somebody else."""
    known = content.keys() if isinstance(content, dict) else ()
    return next((cls for cls, (_, keys) in CONTENTS.items() if keys <= set(known)), None)


def _listed(cls: type | None) -> str:
    return CONTENTS[cls][0] if cls else f"a {FILE_NAME} that is not of fabgan"


def has_manifest(folder: Path) -> bool:
    """Say whether a folder holds a manifest."""
    return (folder / FILE_NAME).is_file()


def manifest_digest(folder: Path) -> str:
    """Return the digest of the manifest. It identifies the data set, as the manifest has every image's SHA-256.

    Raises UserError if there is no manifest.
    """
    return sha256_of_file(_manifest_of(folder))


def _manifest_of(folder: Path) -> Path:
    path = folder / FILE_NAME
    if not path.is_file():
        raise UserError(f"{path}: missing; run the step that writes this folder first")
    return path
