"""Render bottom-view photographs of ball grid array packages, with exact ground truth."""

from .frame import RenderedFrame, render_frame
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
    "render_frame",
]
