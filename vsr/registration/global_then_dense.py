"""Dense motion in two steps: the camera's first, to a hundredth of a pixel, then what moves differently.

Dense flow alone loses large motion, and in smooth places follows the noise. So the second image is laid on the
first by one motion for all, dense flow looks for the rest, and it is used only where it explains the images
clearly better.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import GaussianBlur
from vsr.registration.brightness import match_brightness
from vsr.registration.compose import compose_flows, warp_to
from vsr.registration.flow import Detail, FlowPair, flow_pair, pixel_positions
from vsr.registration.parametric import register
from vsr.registration.spline import read_spline, smooth_spline
from vsr.registration.transform import MotionModel

__all__ = ["global_then_dense"]

_WINDOW = GaussianBlur(6.0, 6.0)  # in which two motions are compared; wider than aliasing
_WORTH, _SURE = 1.5, 2.2  # times by which dense flow must lower the squared residual: to count at all, to count alone
_ROUNDING = 1e-6  # squared residual that means nothing, 0…1


class _Fit:
    """How well motions lay an image ``b`` on an image ``a``, where the camera's motion stays in ``b``."""

    def __init__(self, a: Tensor, b: Tensor, camera: Tensor) -> None:
        rows, cols = pixel_positions(camera)
        height, width = a.shape
        inside = (rows >= 0) & (rows <= height - 1) & (cols >= 0) & (cols <= width - 1)
        self._expected, self._b, self._inside = smooth_spline(a[None])[0], b, inside.to(a.dtype)
        self._area = _WINDOW.A(self._inside).clamp(min=1e-3)

    def square_residual(self, flow: Tensor) -> Tensor:
        """Local mean, ``(H, W)``, of the squared difference when ``flow`` lays ``b`` on ``a``."""
        moved = read_spline(self._b[None], *pixel_positions(flow))[0]
        residual = self._expected - match_brightness(self._expected, moved, self._inside).apply(moved)
        return _WINDOW.A(self._inside * residual * residual) / self._area


def _choose(a: Tensor, b: Tensor, camera: Tensor, dense: Tensor, reluctance: float) -> Tensor:
    """``camera``, or ``dense`` where that is clearly better; between the two where it is not so clear."""
    fit = _Fit(a, b, camera)
    ratio = (fit.square_residual(camera) + _ROUNDING) / (fit.square_residual(dense) + _ROUNDING)
    return torch.lerp(camera, dense, ((ratio / reluctance - _WORTH) / (_SURE - _WORTH)).clamp(0, 1))


def global_then_dense(
    a: Tensor, b: Tensor, model: MotionModel = "affine", *, detail: Detail = "medium", reluctance: float = 1.0
) -> FlowPair | None:
    """Motion between two ``(H, W)`` float32 images in 0…1 as `flow_pair` gives it, but exact where the camera moves.

    ``model`` is what the camera may do; ``detail`` as in `flow_pair`, where the camera's motion leaves little to find;
    ``reluctance``, from 1 on, is how many times the usual gain dense flow must bring to be used, for images whose
    aliasing it would follow. On noisy photographs moved by 2 degrees and 40 pixels the median error falls from about
    0.2 pixels to under 0.01; where parts move on their own, it is about that of `flow_pair`. Takes two to five times as
    long. Where no camera motion can be found this is `flow_pair`. None if the images are too small to tell.
    """
    camera = register(a, b, model)
    if not camera.converged:
        return flow_pair(a, b, detail=detail)
    size = (int(a.shape[0]), int(a.shape[1]))
    forth, back = camera.flow(size), camera.inverse().flow(size)
    rest = flow_pair(a, warp_to(b, forth), detail=detail)
    if rest is None:
        return None
    return FlowPair(
        forward=_choose(a, b, forth, compose_flows(rest.forward, forth), reluctance),
        backward=_choose(b, a, back, compose_flows(back, rest.backward), reluctance),
    )
