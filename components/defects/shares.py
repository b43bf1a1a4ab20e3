"""How images with made defects are shared out among the kinds."""

from collections.abc import Mapping


def by_need(needs: Mapping[str, float], number: int) -> list[str]:
    """Return so many kinds, each as often as the square of its need says, so that the worst ones get most.

    Every beginning is as even as can be (Sainte-Lague). If no kind has a need, all are equal.
    """
    equal = not any(needs.values())
    made, order = dict.fromkeys(needs, 0), list[str]()
    for _ in range(number):
        kind = max(needs, key=lambda kind: (equal or needs[kind] ** 2) / (2 * made[kind] + 1))
        made[kind] += 1
        order.append(kind)
    return order
