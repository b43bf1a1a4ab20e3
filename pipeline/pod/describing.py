"""What Kubeflow's UI shows of an artifact beside its files: digests, numbers, the verdict in words, and links."""

from collections import Counter
from pathlib import Path
from typing import Any

from fabgan.components.artifacts.manifest import FrameManifest, PackageManifest, manifest_digest, read_manifest
from fabgan.components.artifacts.verdict import read_verdict
from fabgan.components.core.files import read_json

Facts = dict[str, Any]
"""Texts and numbers, which Kubeflow stores as the metadata of an artifact."""


def frames(folder: str) -> Facts:
    """Return how many photographs `ingest` found, and where."""
    manifest = read_manifest(Path(folder), FrameManifest)
    return _counted(Path(folder), manifest) | {"skipped": sum(manifest.skipped.values())}


def packages(folder: str) -> Facts:
    """Return how many packages `crop_resize` cut out, and in which sizes."""
    manifest = read_manifest(Path(folder), PackageManifest)
    return _counted(Path(folder), manifest) | {"sizes_px": ", ".join(map(str, manifest.sizes_px))}


def _counted(folder: Path, manifest: FrameManifest | PackageManifest) -> Facts:
    splits = Counter(image.split for image in manifest.images)
    return {
        "manifest_sha256": manifest_digest(folder),
        "source": manifest.source,
        "revision": manifest.revision,
        "images": len(manifest.images),
        "lots": len({image.lot for image in manifest.images}),
        "training_images": splits["train"],
        "held_out_images": splits["held_out"],
        "quarantined": len(manifest.quarantined),
    }


def generator(folder: str) -> Facts:
    """Return what `train` made, and the size of its files."""
    from fabgan.components.artifacts.generator import load_card

    card, files = load_card(Path(folder)), [path for path in Path(folder).rglob("*") if path.is_file()]
    return {
        "weights_sha256": card["weights_sha256"],
        "variant": card["variant"],
        "image_size_px": card["config"]["image_size_px"],
        "framework": "torch, weights in safetensors",
        "bytes": sum(path.stat().st_size for path in files),
    }


def defect_model(folder: str) -> Facts:
    """Return what `train_defects` made, and the kinds of which images are recommended."""
    from fabgan.components.defects.card import load_card

    card = load_card(Path(folder))
    recommended = ", ".join(f"{kind} ({method})" for kind, method in card.recommended.items()) or "none"
    return {
        "weights_sha256": card.weights_sha256,
        "manifest_sha256": card.packages_sha256,
        "image_size_px": card.size_px,
        "kinds": ", ".join(card.kinds),
        "recommended": recommended,
    }


def evaluation(folder: str) -> Facts:
    """Return the verdict of `evaluate`, and what it is about."""
    verdict = read_verdict(Path(folder))
    return {
        "verdict": verdict.outcome,
        "reasons": "; ".join(verdict.reasons),
        "weights_sha256": verdict.weights_sha256,
        "manifest_sha256": verdict.data_sha256,
        "generated_images": verdict.generated_images,
        "held_out_images": verdict.held_out_images,
    }


def verdict(folder: str) -> str:
    """Return the verdict of `evaluate` in words: the outcome, and what is wrong."""
    found = read_verdict(Path(folder))
    return ": ".join(filter(None, [found.outcome, "; ".join(found.reasons)]))


def receipt(path: str) -> Facts:
    """Return what `publish` registered, with a link to it if MLflow is a server."""
    said: Facts = read_json(Path(path))
    name, _, number = str(said["model"]).removeprefix("models:/").partition("/")
    server = said["registry"] if str(said["registry"]).startswith("http") else ""
    link = {"link": f"{server.rstrip('/')}/#/models/{name}/versions/{number}"} if server else {}
    return said | {"aliases": ", ".join(said["aliases"])} | link


def registered(path: str) -> str:
    """Return what `publish` registered, in words."""
    said = read_json(Path(path))
    aliases = ", ".join(said["aliases"]) or "no alias"
    return f"{said['model']} ({aliases}): {said['champion_decision']}"
