"""Renders bottom-view photographs of ball grid array packages whose ground truth is known exactly."""

from components.renderer.frame import RenderedFrame, render_frame
from components.renderer.parameters import RendererParameters
from components.renderer.truth import DEFECT_KINDS, GOOD, Ball, Defect, FrameTruth

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
