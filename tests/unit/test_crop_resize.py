import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, PackageManifest, read_manifest, write_manifest
from fabgan.components.artifacts.packages import load_packages
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import read_image, resize
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.outline import Outline, straighten
from fabgan.components.crop_resize.parameters import CropResizeParameters
from tests.conftest import section


def parameters(**changes: object) -> CropResizeParameters:
    return parse(CropResizeParameters, section("crop_resize", **changes), "params.yaml", "crop_resize")


@pytest.fixture
def frames(packages: Path, tmp_path: Path) -> Path:
    """The frames of which the packages were made, to be spoilt at will."""
    return Path(shutil.copytree(packages.parent / "frames", tmp_path / "frames"))


def blank(frames: Path, number: int) -> None:
    """Replace the first frames by ones without a package, manifest included."""
    manifest = read_manifest(frames, FrameManifest)
    for frame in manifest.images[:number]:
        Image.fromarray(np.full((480, 640, 3), 30, np.uint8)).save(frames / frame.file)
        object.__setattr__(frame, "sha256", sha256_of_file(frames / frame.file))
    write_manifest(frames, manifest)


def test_packages_come_in_every_size_with_outline_angle_and_scale(frames: Path, tmp_path: Path) -> None:
    metrics = crop_resize.run(parameters(sizes_px=[64, 32]), frames, tmp_path / "packages")
    manifest = read_manifest(tmp_path / "packages", PackageManifest)
    assert metrics["images"] == len(manifest.images) == 24
    for package in manifest.images:
        for size in (64, 32):
            path = tmp_path / "packages" / package.files[str(size)]
            assert sha256_of_file(path) == package.sha256[str(size)]
            with Image.open(path) as image:
                assert (image.size, image.mode) == ((size, size), "RGB")
            assert package.scales[str(size)] == pytest.approx(size / package.crop_px, rel=1e-4)
        assert len(package.outline_px) == 4
        assert abs(package.angle_deg) <= 45.1


def test_packages_are_what_the_outlines_of_the_manifest_cut_out(frames: Path, packages: Path) -> None:
    """So that the last bits in which libraries differ between machines are in no package."""
    of_frames = {frame.name: frame for frame in read_manifest(frames, FrameManifest).images}
    for package in read_manifest(packages, PackageManifest).images:
        a, b, c, d = package.outline_px
        image = read_image(frames / of_frames[package.name].file, package.source_sha256)
        crop = straighten(image, Outline((a, b, c, d)), section("crop_resize")["margin_share"])
        with Image.open(packages / package.files["64"]) as kept:
            np.testing.assert_array_equal(np.asarray(kept), resize(crop, 64))


def test_splits_and_lots_are_those_of_the_frames(frames: Path, packages: Path) -> None:
    of_frames = {frame.name: (frame.lot, frame.split) for frame in read_manifest(frames, FrameManifest).images}
    of_packages = {item.name: (item.lot, item.split) for item in read_manifest(packages, PackageManifest).images}
    assert of_packages == of_frames


def test_grey_packages_have_one_channel(frames: Path, tmp_path: Path) -> None:
    crop_resize.run(parameters(grey=True), frames, tmp_path / "packages")
    assert load_packages(tmp_path / "packages", 64, "train").shape[1:] == (1, 64, 64)


def test_a_frame_without_package_is_quarantined(frames: Path, tmp_path: Path) -> None:
    blank(frames, 1)
    metrics = crop_resize.run(parameters(), frames, tmp_path / "packages")
    manifest = read_manifest(tmp_path / "packages", PackageManifest)
    assert metrics["quarantined"] == 1
    assert manifest.quarantined[0].source == "rendered:1/0"
    assert manifest.quarantined[0].reason


def test_too_many_frames_without_package_fail(frames: Path, tmp_path: Path) -> None:
    blank(frames, 1)
    with pytest.raises(UserError, match="crop_resize: 1 of 24 images cannot be used"):
        crop_resize.run(parameters(max_quarantined_share=0), frames, tmp_path / "packages")
    assert not (tmp_path / "packages").exists()


def test_frames_of_which_none_shows_a_package_fail_with_their_reasons(frames: Path, tmp_path: Path) -> None:
    blank(frames, 24)
    with pytest.raises(UserError, match=r"crop_resize: 24 of 24 images cannot be used.*contact_sheet"):
        crop_resize.run(parameters(), frames, tmp_path / "packages")


def test_a_frame_that_was_changed_is_noticed(frames: Path, tmp_path: Path) -> None:
    path = next((frames / "frames").iterdir())
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match=f"{path.name}: its content differs.*run ingest again"):
        crop_resize.run(parameters(), frames, tmp_path / "packages")


def test_a_folder_of_another_step_is_refused(packages: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds packages of crop_resize, and not frames of ingest"):
        crop_resize.run(parameters(), packages, tmp_path / "out")
    with pytest.raises(UserError, match="missing; run the step that writes this folder first"):
        crop_resize.run(parameters(), tmp_path / "none", tmp_path / "out")


@pytest.mark.parametrize("sizes", [[], [64, 64]])
def test_empty_or_repeated_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(UserError, match="crop_resize: sizes_px: expected one or more different sizes"):
        parameters(sizes_px=sizes)


def test_packages_of_a_size_that_was_not_made_are_refused(packages: Path) -> None:
    with pytest.raises(UserError, match=r"no images of 128 px; crop_resize.sizes_px made 64"):
        load_packages(packages, 128, "train")


def test_a_long_picture_is_quarantined_instead_of_filling_the_memory(frames: Path, tmp_path: Path) -> None:
    manifest = read_manifest(frames, FrameManifest)
    first = manifest.images[0]
    Image.new("L", (20_000, 70)).save(frames / first.file, format="PNG")
    object.__setattr__(first, "sha256", sha256_of_file(frames / first.file))
    write_manifest(frames, manifest)
    crop_resize.run(parameters(find="whole"), frames, tmp_path / "packages")
    (quarantined,) = read_manifest(tmp_path / "packages", PackageManifest).quarantined
    assert quarantined.reason == "its square crop would have 20000 x 20000 px; 16384 is the most"


@pytest.mark.parametrize(("height_px", "width_px"), [(48, 64), (64, 48), (51, 64), (64, 64)])
def test_pictures_that_were_cut_out_already_are_taken_whole(
    frames: Path, tmp_path: Path, height_px: int, width_px: int
) -> None:
    manifest = read_manifest(frames, FrameManifest)
    first = manifest.images[0]
    pixels = np.random.default_rng(1).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(frames / first.file, format="PNG")
    object.__setattr__(first, "sha256", sha256_of_file(frames / first.file))
    write_manifest(frames, manifest)
    crop_resize.run(parameters(find="whole"), frames, tmp_path / "packages")
    made = read_manifest(tmp_path / "packages", PackageManifest)
    (package,) = (one for one in made.images if one.name == first.name)
    with Image.open(tmp_path / "packages" / package.files["64"]) as image:
        found = np.asarray(image)
    top, left = (64 - height_px) // 2, (64 - width_px) // 2
    np.testing.assert_array_equal(found[top : top + height_px, left : left + width_px], pixels)
    np.testing.assert_array_equal(found[0, left : left + width_px], pixels[0])
    assert (package.crop_px, package.angle_deg, made.quarantined) == (64, 0, [])
    assert package.outline_px[2] == (width_px - 0.5, height_px - 0.5)
