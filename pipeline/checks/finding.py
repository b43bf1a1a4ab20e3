"""What a check is asked, and what it finds."""

from dataclasses import dataclass

from ..definitions.parameters import KubeflowParameters, Resources


@dataclass(frozen=True)
class Wanted:
    """The runs that somebody wants to start."""

    namespace: str
    settings: KubeflowParameters
    size: str
    gpus: int
    image: str

    @property
    def resources(self) -> Resources:
        """What each pod requests, and its limits."""
        return self.settings.sizes[self.size]


@dataclass(frozen=True)
class Finding:
    """Something that keeps a run from succeeding, and what to do about it."""

    what: str
    do: str
