"""How images with made defects are shared out among the kinds."""

from collections import Counter
from collections.abc import Mapping


def by_need(needs: Mapping[str, float], number: int) -> list[str]:
    """Return so many kinds: each once, and then as often as the square of its need says, so the worst get most.

    Every beginning is as even as can be (Sainte-Lague). If no kind has a need, all are equal.
    """
    weights = {kind: need**2 for kind, need in needs.items()} if any(needs.values()) else dict.fromkeys(needs, 1.0)
    order = sorted(needs, key=lambda kind: -weights[kind])[:number]
    made = Counter(order)
    while len(order) < number:
        kind = max(weights, key=lambda kind: weights[kind] / (2 * made[kind] + 1))
        made[kind] += 1
        order.append(kind)
    return order
