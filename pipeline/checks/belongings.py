"""Whether the namespace of the runs has the Secrets, ConfigMaps and claims that their pods name."""

from collections.abc import Iterable, Iterator
from typing import Any

from ..definitions.parameters import AUTHORITIES, AUTHORITY_FOLDER, AUTHORITY_MAP, ENDPOINTS, MLFLOW_KEYS, S3_KEYS
from .cluster import STORES, Cluster, Object
from .finding import Finding, Wanted

ENFORCE = "pod-security.kubernetes.io/enforce"
PULL_KEYS = (".dockerconfigjson",)


def namespaces(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find a namespace that is not there, or one of services that takes any pod."""
    if cluster.find("Namespace", wanted.namespace) is None:
        yield Finding(
            f"namespace {wanted.namespace}: missing",
            "name the namespace in which Kubeflow runs your pipelines: your profile's, or kubeflow without profiles",
        )
    stores = cluster.find("Namespace", STORES)
    if stores is None:
        yield Finding(f"namespace {STORES}: missing", "install deploy/ first: docs/air_gap.md, section 4")
    elif (level := (stores["metadata"].get("labels") or {}).get(ENFORCE)) != "restricted":
        yield Finding(
            f"namespace {STORES}: the label {ENFORCE} is {level or 'missing'}, so that it takes pods with more rights",
            f"kubectl label --overwrite namespace {STORES} {ENFORCE}=restricted",
        )


def secrets(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find a Secret that is missing, or lacks a key."""
    settings, how = wanted.settings, "make the Secrets again with deploy/secrets/make_secrets.sh (docs/air_gap.md)"
    yield from _keys(cluster, wanted, "Secret", settings.s3_secret, S3_KEYS, how)
    yield from _keys(cluster, wanted, "Secret", settings.mlflow_secret, MLFLOW_KEYS, how)
    how = f"kubectl --namespace {wanted.namespace} create secret docker-registry {settings.image_pull_secret} ..."
    yield from _keys(cluster, wanted, "Secret", settings.image_pull_secret, PULL_KEYS, how)


def config_maps(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find that the addresses of the services are missing, or the authority that they name."""
    how = "add it to endpoints.env of your overlay, and apply the overlay"
    yield from _keys(cluster, wanted, "ConfigMap", wanted.settings.endpoints, ENDPOINTS, how)
    endpoints = _content(cluster.find("ConfigMap", wanted.settings.endpoints, wanted.namespace))
    named = [key for key in AUTHORITIES if str(endpoints.get(key)).startswith(AUTHORITY_FOLDER)]
    if named and not _content(cluster.find("ConfigMap", AUTHORITY_MAP, wanted.namespace)).get("ca.crt"):
        yield Finding(
            f"ConfigMap {AUTHORITY_MAP}: missing in the namespace {wanted.namespace}, or without ca.crt, which "
            f"{' and '.join(named)} of {wanted.settings.endpoints} names",
            f"kubectl --namespace {wanted.namespace} create configmap {AUTHORITY_MAP} --from-file=ca.crt",
        )


def _keys(cluster: Cluster, wanted: Wanted, kind: str, name: str, keys: Iterable[str], how: str) -> Iterator[Finding]:
    found = cluster.find(kind, name, wanted.namespace)
    if found is None:
        yield Finding(f"{kind} {name}: missing in the namespace {wanted.namespace}; no pod starts without it", how)
        return
    content = _content(found)
    for key in keys:
        if not content.get(key):
            yield Finding(f"{kind} {name}: {key} is missing or empty in the namespace {wanted.namespace}", how)


def _content(found: Object | None) -> dict[str, Any]:
    """Return the values of a Secret or ConfigMap; empty if there is none."""
    return {**((found or {}).get("data") or {}), **((found or {}).get("stringData") or {})}


def claims(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find that the claim for checkpoints is missing or lost."""
    name = wanted.settings.checkpoint_claim
    if not name:
        return
    found = cluster.find("PersistentVolumeClaim", name, wanted.namespace)
    if found is None:
        yield Finding(
            f"PersistentVolumeClaim {name}: missing in the namespace {wanted.namespace}; training stays Pending",
            "create it, or leave kubeflow.checkpoint_claim of params.yaml empty",
        )
    elif found.get("status", {}).get("phase") == "Lost":
        yield Finding(
            f"PersistentVolumeClaim {name}: its volume is lost", "delete and create it; training begins anew then"
        )
