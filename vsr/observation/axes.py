"""Linear maps along one axis of an image, kept as a few taps for each output sample, and their transposes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from vsr.observation.resample import _resample_rows

__all__ = ["AxisMap", "apply_axes", "apply_axes_adjoint", "apply_axis"]


@dataclass(frozen=True, eq=False)
class AxisMap:
    """Output sample ``j`` is ``Σ_t weights[t, j] · input[indices[t, j]]``."""

    in_size: int
    """Samples that go in."""
    indices: Tensor
    """``(taps, out_size)`` int64."""
    weights: Tensor
    """``(taps, out_size)`` float64."""

    def transposed(self) -> AxisMap:
        """The transpose: for each input sample, where it went and with what weight."""
        out_size = self.indices.shape[1]
        used = self.weights.T.reshape(-1) != 0
        target = self.indices.T.reshape(-1)[used]
        weight = self.weights.T.reshape(-1)[used]
        source = torch.arange(out_size).repeat_interleave(self.indices.shape[0])[used]
        order = torch.argsort(target, stable=True)
        target, weight, source = target[order], weight[order], source[order]
        counts = torch.bincount(target, minlength=self.in_size)
        rank = torch.arange(target.numel()) - (counts.cumsum(0) - counts)[target]
        shape = (max(1, int(counts.max())), self.in_size)
        indices, weights = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.float64)
        indices[rank, target], weights[rank, target] = source, weight
        return AxisMap(out_size, indices, weights)


@lru_cache(maxsize=64)
def _on(axis: AxisMap, transposed: bool, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The taps ready for a device and type, kept because a video asks for the same few every frame."""
    used = axis.transposed() if transposed else axis
    return used.indices.to(device), used.weights.to(device, dtype).unsqueeze(-1)


def _along_rows(image: Tensor, axis: AxisMap, transposed: bool) -> Tensor:
    return _resample_rows(image.contiguous(), _on(axis, transposed, image.device, image.dtype))


def apply_axis(image: Tensor, axis: AxisMap, dim: int) -> Tensor:
    """``(..., H, W)`` with ``axis`` applied along ``dim``, -2 or -1; contiguous."""
    if dim == -2:
        return _along_rows(image, axis, False)
    return _along_rows(image.transpose(-1, -2), axis, False).transpose(-1, -2).contiguous()


def apply_axes(image: Tensor, down: AxisMap, across: AxisMap) -> Tensor:
    """``(..., H, W)`` with ``down`` applied to its columns, then ``across`` to its rows; contiguous."""
    return apply_axis(apply_axis(image, down, -2), across, -1)


def apply_axes_adjoint(image: Tensor, down: AxisMap, across: AxisMap) -> Tensor:
    """The transpose of `apply_axes`."""
    wide = _along_rows(image.transpose(-1, -2), across, True).transpose(-1, -2)
    return _along_rows(wide, down, True)
