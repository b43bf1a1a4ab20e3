"""Run every check of a cluster."""

from collections.abc import Callable, Iterator

from . import belongings, capacity, surroundings
from .cluster import Cluster
from .finding import Finding, Wanted

Check = Callable[[Cluster, Wanted], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    belongings.namespaces,
    belongings.secrets,
    belongings.config_maps,
    belongings.claims,
    capacity.nodes,
    capacity.quotas,
    surroundings.services,
    surroundings.policies,
    surroundings.retries,
    surroundings.images,
    surroundings.disk,
)


def findings(cluster: Cluster, wanted: Wanted) -> list[Finding]:
    """Return everything that keeps a run from succeeding, in the order in which it should be mended."""
    return [finding for check in CHECKS for finding in check(cluster, wanted)]
