"""`fabgan train_defects` as a person uses it: a model, what its images are worth, and images as it recommends."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from torch.utils.data import DataLoader

from fabgan.components.artifacts.manifest import DefectManifest, PackageManifest, read_manifest
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.artifacts.sheets import CAPTION_PX, GAP_PX
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import read_image
from fabgan.components.defects.card import load_card
from fabgan.components.defects.dataset import DefectDataset
from fabgan.components.defects.judging import CLASSICAL, Judge, images_of
from fabgan.components.defects.needs import needs_of
from fabgan.components.defects.pool import read_pool
from fabgan.components.defects.sheet import WINDOW_PX
from fabgan.components.measures.inspection import DenseFeatures
from tests.annotated import SIZE_PX, annotated_packages, fabgan, recommending
from tests.database import database_in

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of rendered packages with masks. Not to be changed."""
    return annotated_packages(tmp_path_factory.mktemp("annotated"), defect_share=0.6, held_out_share=0.5)


@pytest.fixture(scope="module")
def model(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was hardly trained. Not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    done = fabgan("train_defects", packages, f"--model={folder}", "--steps=3", "--runs=2")
    assert done.returncode == 0, done.stderr
    assert "added by images of all kinds" in done.stdout
    return folder


def test_a_killed_run_resumes_to_the_same_model(packages: Path, model: Path, tmp_path: Path) -> None:
    options = [f"--packages={packages}", f"--size={SIZE_PX}", f"--model={tmp_path / 'model'}", "--steps=3", "--runs=2"]
    record = tmp_path / ".model.partial" / ".records" / "run-0.json"
    with subprocess.Popen([sys.executable, "-m", "fabgan", "train_defects", *options]) as running:
        while not record.is_file() and running.poll() is None:
            time.sleep(0.05)
        running.kill()
    assert not (tmp_path / "model").exists()
    weights_ns = (tmp_path / ".model.partial" / "defects.safetensors").stat().st_mtime_ns
    done = fabgan("train_defects", packages, f"--model={tmp_path / 'model'}", "--steps=3", "--runs=2")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "defects.safetensors").stat().st_mtime_ns == weights_ns  # not trained again
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == sorted(path.name for path in model.iterdir())
    for path in model.iterdir():
        assert sha256_of_file(tmp_path / "model" / path.name) == sha256_of_file(path), path.name


def test_the_sheet_shows_annotated_defects_beside_made_ones(packages: Path, model: Path) -> None:
    sheet, pool = read_image(model / "defects.png"), read_pool(packages, SIZE_PX)
    kinds = pool.present
    pitch_px = WINDOW_PX + GAP_PX
    assert sheet.shape == (CAPTION_PX + len(kinds) * pitch_px + GAP_PX, 3 * (4 * pitch_px + GAP_PX) + 2 * CAPTION_PX, 3)
    first, half = pool.cutouts[kinds[0]][0], WINDOW_PX // 2
    row, column = (round((places.min() + places.max()) / 2) for places in np.nonzero(first.covers_HW))
    middle = sheet[CAPTION_PX + GAP_PX + half, GAP_PX + half]
    assert np.array_equal(middle, first.pixels_HWC[row, column])


def test_every_kind_is_judged_on_held_out_packages(packages: Path, model: Path) -> None:
    manifest, card = read_manifest(packages, PackageManifest), load_card(model)
    held_out = [package for package in manifest.images if package.split == "held_out"]
    assert [kind.kind for kind in card.judged] == manifest.kinds
    for judged in card.judged:
        first = [package.defects[0].kind for package in held_out if package.defects]
        assert judged.held_out == first.count(judged.kind)
        known = bool(judged.held_out and judged.annotated)
        assert (bool(judged.gains), judged.classical is not None) == (known, known)
        for added in judged.gains.values():
            assert judged.classical is not None
            known_so_far = (judged.classical.images, judged.classical.places)
            for gain, classical in zip((added.images, added.places), known_so_far, strict=True):
                assert gain.low <= gain.mean <= gain.high
                assert -classical <= gain.mean <= 1 - classical
        assert (judged.method != "none", judged.confirmed is not None) == (known, known)


def test_images_are_made_as_the_model_recommends(packages: Path, model: Path, tmp_path: Path) -> None:
    asked = recommending(model, tmp_path / "model", {"scratch": "fitted", "missing_ball": "pasted"})
    done = fabgan("defects", packages, f"--model={asked}", "--per-kind=2", f"--out={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    made = read_manifest(tmp_path / "out", DefectManifest)
    assert {(image.kind, image.method) for image in made.images} == {("scratch", "fitted"), ("missing_ball", "pasted")}
    assert (
        "images with bridged_balls, contamination, deformed_ball are not made: the model does not recom" in done.stderr
    )
    pasted = fabgan("defects", packages, "--kinds=scratch:2,missing_ball:2", f"--out={tmp_path / 'pasted'}")
    assert pasted.returncode == 0, pasted.stderr
    digests = {image.file: image.sha256 for image in read_manifest(tmp_path / "pasted", DefectManifest).images}
    for image in made.images:
        assert (digests[image.file] == image.sha256) == (image.method == "pasted")


def test_more_images_are_made_of_kinds_that_are_found_worse(packages: Path, model: Path, tmp_path: Path) -> None:
    known, card = needs_of(open_packages(packages, SIZE_PX, "train"), DenseFeatures(), 0), load_card(model)
    assert {kind.kind: kind.need for kind in card.judged} == pytest.approx(known)
    assert len(set(known.values())) > 1
    methods, needs = {"scratch": "pasted", "missing_ball": "pasted"}, {"scratch": 0.6, "missing_ball": 0.4}
    asked = recommending(model, tmp_path / "model", methods, needs)
    done = fabgan("defects", packages, f"--model={asked}", "--images=8", f"--out={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    kinds = Counter(image.kind for image in read_manifest(tmp_path / "out", DefectManifest).images)
    assert kinds == {"scratch": 6, "missing_ball": 2}
    done = fabgan("defects", packages, f"--model={asked}", "--images=1", f"--out={tmp_path / 'one'}")
    assert "1 image(s) are fewer than the kinds: none shows missing_ball" in done.stderr
    items = fabgan_dataset(packages, model=asked)
    names = read_manifest(packages, PackageManifest).kinds
    assert Counter(names[items[at].kind - 1] for at in range(len(items))) == {"scratch": 3, "missing_ball": 1}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """An empty MLflow database, which the commands use."""
    uri = database_in(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


def judged(model: Path, auc_gain: dict[str, float] | None) -> None:
    """Let the card of a model say that this gain in AUC was confirmed, or that none was."""
    card = json.loads((model / "defects.json").read_text())
    unsure = {"mean": 0.0, "low": -0.1, "high": 0.1}
    card["confirmed"] = {"auc": auc_gain, "places": unsure, "recall": unsure} if auc_gain else {}
    (model / "defects.json").write_text(json.dumps(card))


def test_a_model_is_registered_and_pulled_and_is_champion_if_it_helps(
    packages: Path, model: Path, registry: MlflowClient, tmp_path: Path
) -> None:
    asked = recommending(model, tmp_path / "model", {"scratch": "both"})
    registering = [f"--model={asked}", "--steps=3", "--runs=2", "--register=bga-defects"]
    judged(asked, None)
    done = fabgan("train_defects", packages, *registering)
    assert done.returncode == 0, done.stderr
    assert "registered: models:/bga-defects/1 no alias; the verdict is refused" in done.stdout
    judged(asked, {"mean": 0.02, "low": 0.01, "high": 0.03})
    done = fabgan("train_defects", packages, *registering)
    assert "models:/bga-defects/2 @candidate @champion; its images help" in done.stdout, done.stderr
    run = registry.get_run(registry.get_model_version("bga-defects", "2").run_id or "")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "train_defects")
    assert {file.path for file in registry.list_artifacts(run.info.run_id, "model")} >= {"model/defects.html"}
    outputs = {
        name: fabgan("defects", packages, f"--model={place}", "--per-kind=3", f"--out={tmp_path / name}")
        for name, place in (("pulled", "models:/bga-defects@champion"), ("local", asked))
    }
    assert all(done.returncode == 0 for done in outputs.values()), outputs
    made, same = (read_manifest(tmp_path / name, DefectManifest) for name in outputs)
    assert made == same
    pulled, local = (fabgan_dataset(packages, model=place) for place in ("models:/bga-defects/2", asked))
    assert pulled.kinds == local.kinds == ["scratch"]
    assert torch.equal(pulled[0].image_CHW, local[0].image_CHW)
    assert {image.method for image in made.images} == {"both"}


def test_what_mlflow_would_refuse_is_refused_before_training(
    packages: Path, registry: MlflowClient, tmp_path: Path
) -> None:
    refused = fabgan("train_defects", packages, f"--model={tmp_path / 'model'}", "--register=a/b")
    assert refused.returncode == 1
    assert "model_name: expected a name, not only of dots, without / :" in refused.stderr
    missing = fabgan("defects", packages, "--model=models:/none/1", "--per-kind=1", f"--out={tmp_path / 'out'}")
    assert missing.returncode == 1
    assert "models:/none/1: no such model in the registry" in missing.stderr
    assert registry.search_registered_models() == []


def test_kinds_that_are_asked_for_are_made_although_they_did_not_help(
    packages: Path, model: Path, tmp_path: Path
) -> None:
    asked = recommending(model, tmp_path / "model", {"scratch": "fitted"})
    judged(asked, {"mean": 0.02, "low": -0.01, "high": 0.05})
    done = fabgan("defects", packages, f"--model={asked}", "--kinds=scratch:1", f"--out={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "images with scratch are made as asked: the model does not recommend them" in done.stderr
    assert [image.method for image in read_manifest(tmp_path / "out", DefectManifest).images] == ["fitted"]
    refused = fabgan("defects", packages, f"--model={asked}", "--per-kind=1", f"--out={tmp_path / 'none'}")
    assert refused.returncode == 1
    assert "the model recommends no images, because they were not shown to help" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_damaged_models_and_models_of_other_kinds_are_refused(packages: Path, model: Path, tmp_path: Path) -> None:
    damaged, other = tmp_path / "damaged", tmp_path / "other"
    for folder in (damaged, other):
        shutil.copytree(model, folder)
    weights = bytearray((damaged / "defects.safetensors").read_bytes())
    weights[-1] ^= 1
    (damaged / "defects.safetensors").write_bytes(weights)
    card = json.loads((other / "defects.json").read_text())
    (other / "defects.json").write_text(json.dumps(card | {"kinds": ["dent"]}))
    shutil.copytree(model, older := tmp_path / "older")
    (older / "defects.json").write_text(json.dumps(card | {"format": card["format"] - 1}))
    (empty := tmp_path / "empty").mkdir()
    refused = {damaged: "sha256 differs", other: "knows the kinds dent", empty: "defects.json"}
    for folder, said in (refused | {older: "make one anew with `fabgan train_defects`"}).items():
        done = fabgan("defects", packages, f"--model={folder}", "--per-kind=1", f"--out={tmp_path / 'out'}")
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_the_judge_gains_by_defects_that_it_lacked_and_loses_by_wrong_masks(packages: Path) -> None:
    """Real defects of held-out lots are the best that could be added. Masks that lie elsewhere are the worst."""
    training, held_out = (open_packages(packages, SIZE_PX, split) for split in ("train", "held_out"))
    good = training.chosen([at for at, package in enumerate(training.listed) if not package.defects])
    bad = training.chosen([at for at, package in enumerate(training.listed) if package.defects])
    few = training.chosen([training.listed.index(package) for package in [*good.listed, *bad.listed[:3]]])
    more = list(images_of(bad))
    wrong = [(pixels_HWC, np.roll(mask_HW, SIZE_PX // 2, axis=(0, 1))) for pixels_HWC, mask_HW in more]
    scores = Judge(held_out).scores(few, {"more": more, "wrong": wrong}, seed=1)
    assert scores["more"]["places"] > scores[CLASSICAL]["places"] > scores["wrong"]["places"]


@pytest.mark.parametrize(
    ("option", "words"),
    [("--runs=1", "runs: expected an int of 2 or more"), ("--steps=0", "steps: expected a positive int")],
)
def test_what_cannot_be_trained_is_refused(packages: Path, tmp_path: Path, option: str, words: str) -> None:
    """One run has no interval, and a recommendation needs one."""
    refused = fabgan("train_defects", packages, f"--model={tmp_path / 'model'}", option)
    assert refused.returncode == 1
    assert words in refused.stderr.splitlines()[-1]
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("option", ["--steps=1", "--register=bga-defects"])
def test_a_folder_without_packages_is_refused(option: str, registry: MlflowClient, tmp_path: Path) -> None:
    refused = fabgan("train_defects", tmp_path / "none", f"--model={tmp_path / 'model'}", option)
    assert refused.returncode == 1
    words = "manifest.json: missing; run the step that writes this folder first"
    assert refused.stderr.splitlines()[-1] == f"fabgan: error: {tmp_path}/none/{words}"
    assert registry.search_registered_models() == []


def test_packages_that_nobody_annotated_do_not_judge(packages: Path, tmp_path: Path) -> None:
    """Without masks of held-out packages that are good, nothing tells good from bad."""
    copy = shutil.copytree(packages, tmp_path / "copy")
    content = json.loads((copy / "manifest.json").read_text())
    bad = 0
    for package in content["images"]:
        if package["split"] == "held_out" and not package.get("defects"):
            package["masks"], package["masks_sha256"] = {}, {}
        bad += package["split"] == "held_out" and bool(package.get("defects"))
    (copy / "manifest.json").write_text(json.dumps(content))
    refused = fabgan("train_defects", copy, f"--model={tmp_path / 'model'}", "--steps=1", "--runs=2")
    assert refused.returncode == 1
    assert f"of {bad} annotated held-out packages, {bad} have defects" in refused.stderr
    assert not (tmp_path / "model").exists()


def test_a_data_set_gives_the_same_items_in_any_worker(packages: Path, model: Path, tmp_path: Path) -> None:
    asked = recommending(model, tmp_path / "model", {"scratch": "fitted", "missing_ball": "pasted"})
    made = fabgan_dataset(packages, model=asked)
    assert made.kinds == ["missing_ball", "scratch"]
    alone = [made[index] for index in range(len(made))]
    loaded = list(DataLoader(made, batch_size=None, num_workers=2))
    for item, other in zip(alone, loaded, strict=True):
        assert torch.equal(item.image_CHW, other.image_CHW)
        assert torch.equal(item.mask_HW, other.mask_HW)
        assert item.image_CHW.shape == (3, SIZE_PX, SIZE_PX)
        assert set(np.unique(item.mask_HW.numpy()).tolist()) == {0, item.kind}
    assert not torch.equal(alone[0].image_CHW, fabgan_dataset(packages, model=asked, seed=1)[0].image_CHW)
    with pytest.raises(IndexError):
        made[len(made)]


def test_a_data_set_without_anything_to_make_is_refused(packages: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no defects of dent \(annotated: bridged_balls, contamination"):
        fabgan_dataset(packages, kinds=["dent"])
    with pytest.raises(UserError, match=r"/model: the model recommends no images.*; name `kinds` to make them anyway"):
        fabgan_dataset(packages, model=recommending(model, tmp_path / "model", {}))


def fabgan_dataset(packages: Path, **options: Any) -> DefectDataset:
    return DefectDataset(packages, SIZE_PX, **{"length": 4} | options)
