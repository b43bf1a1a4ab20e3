"""Render bottom-view photographs of ball grid array packages, with exact ground truth."""

from .frame import RenderedFrame, kind_of_frame, render_frame
from .parameters import RendererParameters
from .truth import DEFECT_KINDS, GOOD, Ball, Defect, FrameTruth

__all__ = [
    "DEFECT_KINDS",
    "GOOD",
    "Ball",
    "Defect",
    "FrameTruth",
    "RenderedFrame",
    "RendererParameters",
    "kind_of_frame",
    "render_frame",
]
