"""Whether what is around the runs lets them work: services, policies, Argo's retries, images, and free disk."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import yaml

from .cluster import KUBEFLOW, STORES, Cluster
from .finding import Finding, Wanted
from .images import kubeflow_images, registry_of, waiting_for_images
from .network import RUN_LABELS, Peer, allowed, restricted

POLICIES = "apply your overlay of deploy/overlays again, with runNamespace and kubernetesApiCidr in its settings.yaml"
ADDRESSES = {"MLFLOW_TRACKING_URI": "MLflow", "AWS_ENDPOINT_URL_S3": "the object store"}
CONTROLLER = "workflow-controller-configmap"
STORE_CLAIM = "data-object-store-0"
MIN_FREE_BYTES = 4 * 2**30
"""Room for seven volumes of 128 MB for each of three collections: two buckets, and what belongs to none."""


def services(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find a service of `deploy/` that is not ready."""
    for one in (*cluster.of_kind("Deployment", STORES), *cluster.of_kind("StatefulSet", STORES)):
        if not one.get("status", {}).get("readyReplicas"):
            name, kind = one["metadata"]["name"], one["kind"].lower()
            yield Finding(
                f"{kind} {name}: no pod of it is ready", f"kubectl --namespace {STORES} describe {kind} {name}"
            )


def policies(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find a policy that a run needs, or that should keep it in."""
    run = Peer(wanted.namespace, RUN_LABELS)
    if not restricted(cluster, run, "egress"):
        yield Finding(f"policies: nothing keeps runs of {wanted.namespace} from connecting anywhere", POLICIES)
    for name, peers, ports in _targets(cluster, wanted):
        if not any(allowed(cluster, run, "egress", peer, ports) for peer in peers):
            yield Finding(f"policies: runs of {wanted.namespace} cannot connect to {name}", POLICIES)
        if peers[0].namespace == STORES and not allowed(cluster, peers[0], "ingress", run, ports):
            yield Finding(f"policies: {name} takes no connection from runs of {wanted.namespace}", POLICIES)


def _targets(cluster: Cluster, wanted: Wanted) -> Iterator[tuple[str, list[Peer], list[int]]]:
    """Yield what a run connects to: its name, the pods or addresses that serve it, and its ports."""
    yield "DNS", [Peer("kube-system", {"k8s-app": "kube-dns"})], [53]
    yield "Kubeflow's API server", [Peer(KUBEFLOW, {"app": "ml-pipeline"})], [8887]
    yield "Kubeflow's metadata store", [Peer(KUBEFLOW, {"component": "metadata-grpc-server"})], [8080]
    yield "Kubeflow's object store", [Peer(KUBEFLOW, {"app": app}) for app in ("seaweedfs", "minio")], [8333, 9000]
    api = cluster.find("Endpoints", "kubernetes", "default") or {}
    for subset in api.get("subsets", []):
        addresses = [one["ip"] for one in subset.get("addresses", [])]
        ports = [one["port"] for one in subset.get("ports", [])]
        for address in addresses:
            yield f"the Kubernetes API at {address}", [Peer(address=address)], ports
    endpoints = cluster.find("ConfigMap", wanted.settings.endpoints, wanted.namespace) or {}
    for key, name in ADDRESSES.items():
        url = urlsplit(str((endpoints.get("data") or {}).get(key, "")))
        service, _, place = (url.hostname or "").partition(".")
        namespace, _, domain = place.partition(".")
        if cluster.find("Namespace", namespace) and domain in ("", "svc", "svc.cluster.local"):
            yield (
                name,
                [Peer(namespace, {"app.kubernetes.io/name": service})],
                [url.port or {"https": 443}.get(url.scheme, 80)],
            )


def retries(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find a retry policy of Argo by which evicted pods are lost, or errors are tried again."""
    found = cluster.find("ConfigMap", CONTROLLER, KUBEFLOW)
    defaults = yaml.safe_load(((found or {}).get("data") or {}).get("workflowDefaults", "")) or {}
    strategy = defaults.get("spec", {}).get("templateDefaults", {}).get("retryStrategy", {})
    policy = strategy.get("retryPolicy", "OnFailure")
    if policy != "OnError":
        again = "a wrong value in the form is tried several times" if policy in ("Always", "OnFailure") else ""
        lost = "" if policy in ("Always", "OnTransientError") else "an evicted pod is not started again"
        yield Finding(
            f"Argo's retryPolicy is {policy}: {' and '.join(filter(None, (again, lost))) or 'retries differ'}",
            f"set workflowDefaults...retryStrategy.retryPolicy of {CONTROLLER} to OnError, as Kubeflow's manifests do",
        )


def images(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find images that come from another registry than that of the run, or that a node cannot pull."""
    registry = registry_of(wanted.image)
    for image, place in kubeflow_images(cluster.of_kind("Deployment", KUBEFLOW)):
        if registry and registry_of(image) != registry:
            yield Finding(
                f"image {image}: {place} names it, and it is not from {registry}",
                "mirror it, and apply deploy/kubeflow with your registry (docs/air_gap.md)",
            )
    for pod in (*cluster.of_kind("Pod", wanted.namespace), *cluster.of_kind("Pod", STORES)):
        for image in waiting_for_images(pod):
            yield Finding(
                f"image {image}: the pod {pod['metadata']['name']} cannot pull it",
                "push it to the registry, and check the name and the pull Secret",
            )


def disk(cluster: Cluster, wanted: Wanted) -> Iterator[Finding]:
    """Find that the object store of `deploy/` has little room left, or that nobody knows."""
    if cluster.find("StatefulSet", "object-store", STORES) is None:
        return
    ours = {"name": STORE_CLAIM, "namespace": STORES}
    free = [one["availableBytes"] for one in cluster.volumes() if one["pvcRef"] == ours]
    if not free:
        yield Finding(
            "disk: the free disk of the object store is not known",
            f"ask somebody who may read nodes/proxy, or: kubectl --namespace {STORES} exec object-store-0 -- df /data",
        )
    elif min(free) < MIN_FREE_BYTES:
        yield Finding(
            f"disk: the object store has {min(free) / 2**30:.1f} GiB left, and answers InternalError when it is full",
            f"delete what nobody needs, or enlarge the claim {STORE_CLAIM} in the namespace {STORES}",
        )
