"""Turn the JSON lines of `benchmarks.table` into a Markdown table: one row per variant and size, means over seeds."""

from collections import defaultdict
from statistics import mean
from typing import Any

COLUMNS = {
    "frechet_random": "frechet_random",
    "frechet_random_patches": "patches",
    "diversity": "diversity",
    "diversity_nearest": "nearest",
    "novelty": "novelty",
    "ser1": "SER1",
    "ser2": "SER2",
    "images": "images",
    "parameters": "parameters",
    "peak_growth_mib": "peak MiB",
    "images_per_s": "images/s",
}
WHOLE = ("images", "parameters", "peak_growth_mib")


def markdown(lines: list[dict[str, Any]]) -> str:
    """Return the table, grouped by data and size; `a (b .. c)` is a mean over seeds and its range.

    A cell is empty if the lines lack the figure.
    """
    groups: defaultdict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups[line["data"], line["image_size_px"], line["variant"]].append(line)
    names = ["data", "px", "variant", *COLUMNS.values()]
    rows = [[*map(str, key), *(_cell(runs, column) for column in COLUMNS)] for key, runs in groups.items()]
    table = [names, ["---"] * len(names), *rows]
    notes = [_real_images(data, runs) for data, runs in _by_data(lines).items()]
    return "\n".join([*("| " + " | ".join(row) + " |" for row in table), "", *notes])


def _cell(runs: list[dict[str, Any]], column: str) -> str:
    values = [run[column] for run in runs if column in run]
    if not values:
        return "out of memory" if all(run.get("out_of_memory") for run in runs) else ""
    if column in WHOLE:
        return f"{round(mean(values)):,}"
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return f"{mean(values):.3g}" + (f" ({low} .. {high})" if low != high else "")


def _by_data(lines: list[dict[str, Any]]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: defaultdict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if "frechet_random_floor" in line:
            groups[line["data"], line["image_size_px"]].append(line)
    return groups


def _real_images(data: tuple[Any, ...], runs: list[dict[str, Any]]) -> str:
    floor, patches = (mean(run[f"frechet_random{part}_floor"] for run in runs) for part in ("", "_patches"))
    low, high = min(run["ser_real_low"] for run in runs), max(run["ser_real_high"] for run in runs)
    return (
        f"{data[0]} at {data[1]} px: between halves of the real images frechet_random is {floor:.3g} and of patches "
        f"{patches:.3g}; their seam excess ratios lie in {low:.2f} .. {high:.2f}."
    )
