"""The images that the manifests of a cluster name, those included that Kubeflow hides in variables and arguments."""

from collections.abc import Iterable, Iterator

from .cluster import Object

VARIABLES = ("V2_DRIVER_IMAGE", "V2_LAUNCHER_IMAGE", "FRONTEND_IMAGE")
ARGUMENT = "--executor-image"
FAILURES = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")


def kubeflow_images(deployments: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Yield the images that Kubeflow's services start pods with, and where each is named."""
    for deployment in deployments:
        name = deployment["metadata"]["name"]
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            for variable in container.get("env", []):
                if variable["name"] in VARIABLES and variable.get("value"):
                    yield variable["value"], f"{variable['name']} of {name}"
            words = [*container.get("command", []), *container.get("args", [])]
            for place, word in enumerate(words[:-1]):
                if word == ARGUMENT:
                    yield words[place + 1], f"{ARGUMENT} of {name}"


def service_images(objects: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Yield the images of everything that starts pods, and its name."""
    for one in objects:
        spec = one.get("spec", {}).get("template", {}).get("spec", {})
        for container in (*spec.get("initContainers", []), *spec.get("containers", [])):
            yield container["image"], f"{one['kind'].lower()} {one['metadata']['name']}"


def registry_of(image: str) -> str:
    """Return the host that an image is pulled from; empty for a name without one."""
    host, slash, _ = image.partition("/")
    return host if slash and (set(".:") & set(host) or host == "localhost") else ""


def is_listed(image: str, listed: Iterable[str]) -> bool:
    """Say whether a list has an image, from whichever registry. Without a tag, its name is enough."""
    name = _without_registry(image)
    others = [_without_registry(one) for one in listed]
    tagged = set(":@") & set(name.rpartition("/")[2])
    return name in (others if tagged else [one.partition("@")[0].partition(":")[0] for one in others])


def _without_registry(image: str) -> str:
    return image.removeprefix(f"{registry_of(image)}/")


def waiting_for_images(pod: Object) -> Iterator[str]:
    """Yield the images of a pod that its node cannot pull."""
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        if container.get("state", {}).get("waiting", {}).get("reason") in FAILURES:
            yield container["image"]
