"""The bill of materials in CycloneDX 1.6: the image, and every wheel and Debian package in it, with digests."""

import json
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bundle.engine import docker
from bundle.wheels import Wheel
from fabgan.components.core.provenance import CHECKOUT

HASH_OF = {"name": "fabgan:sha256-of", "value": "the lines `SHA256  PATH` of its installed files"}


def bill_of_materials(image: str, wheels: list[Wheel]) -> dict[str, Any]:
    """Return the bill of materials of an image with these wheels.

    Equal content gives an equal bill, including its serial number.
    """
    identity = docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    name, version = image.rsplit("/", 1)[-1].split(":")
    subject = {"type": "container", "bom-ref": "image", "name": name, "version": version}
    components = [*(_wheel(wheel) for wheel in wheels), *(_debian(package) for package in debian_packages(image))]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, identity + json.dumps(components))}",
        "version": 1,
        "metadata": {"component": subject | _hashes(identity.removeprefix("sha256:"))},
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": [component["bom-ref"] for component in components]}],
    }


def debian_packages(image: str) -> list[dict[str, str]]:
    """Return the Debian packages of an image, as `bundle.debian_packages` reads them inside it."""
    # As root, because some files of packages are readable by root only.
    contained = ("run", "--rm", "--interactive", "--network", "none", "--read-only", "--user", "0")
    with (CHECKOUT / "bundle" / "debian_packages.py").open("rb") as program:
        found: list[dict[str, str]] = json.loads(docker(*contained, image, "python3", "-", stdin=program))
    return found


def _wheel(wheel: Wheel) -> dict[str, Any]:
    purl = f"pkg:pypi/{wheel.name}@{quote(wheel.version)}"
    return _component(wheel.name, wheel.version, purl) | _hashes(wheel.sha256)


def _debian(package: dict[str, str]) -> dict[str, Any]:
    version = package["version"]
    purl = f"pkg:deb/debian/{quote(package['name'])}@{quote(version)}?arch={package['architecture']}"
    return _component(package["name"], version, purl) | _hashes(package["sha256"]) | {"properties": [HASH_OF]}


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _hashes(sha256: str) -> dict[str, Any]:
    return {"hashes": [{"alg": "SHA-256", "content": sha256}]}


def write_bill(image: str, wheels: list[Wheel], path: Path) -> None:
    """Write the bill of materials as JSON."""
    path.write_text(json.dumps(bill_of_materials(image, wheels), indent=2) + "\n", encoding="utf-8")
