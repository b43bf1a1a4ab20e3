"""How long one rendered frame takes on one core: `python -m benchmarks.render [--frames N]`.

Prints one JSON line; progress goes to standard error.
"""

import argparse
import json
import resource
import time

import cv2

from fabgan.components.core.progress import Progress
from fabgan.components.ingest.renderer import RendererParameters, render_frame

SEED = 0


def main() -> None:
    """Render frames, and print the mean time per frame and the peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10, help="number of frames (default: 10)")
    parser.add_argument("--width-px", type=int, default=4000, help="width of a frame (default: 4000)")
    parser.add_argument("--height-px", type=int, default=3000, help="height of a frame (default: 3000)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    parameters = _parameters(options.width_px, options.height_px)
    render_frame(parameters, SEED, 0)  # makes the textures that all frames share
    print(json.dumps(_measure(parameters, options.frames)))


def _parameters(width_px: int, height_px: int) -> RendererParameters:
    return RendererParameters(
        frame_width_px=width_px,
        frame_height_px=height_px,
        products=8,
        frames_per_lot=1,
        min_balls_per_side=8,
        max_balls_per_side=12,
        max_angle_deg=180,
        min_body_share=0.5,
        max_body_share=0.65,
        defect_share=0.5,
        grey=False,
    )


def _measure(parameters: RendererParameters, frames: int) -> dict[str, float]:
    progress = Progress("rendering", frames, "frames")
    started_s = time.perf_counter()
    for index in range(frames):
        render_frame(parameters, SEED, index)
        progress.advance(1)
    elapsed_s = time.perf_counter() - started_s
    # Linux counts ru_maxrss in KiB.
    peak_rss_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "frame_width_px": parameters.frame_width_px,
        "frame_height_px": parameters.frame_height_px,
        "frames": frames,
        "seconds_per_frame": round(elapsed_s / frames, 3),
        "peak_rss_mib": round(peak_rss_mib, 1),
    }


if __name__ == "__main__":
    main()
