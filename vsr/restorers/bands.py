"""Resampling of a picture that arrives in bands of rows, so that it never needs to be held whole."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import Kernel, resample
from vsr.observation.resample import axis_taps

__all__ = ["BandResampler"]


class BandResampler:
    """`vsr.observation.resample`, band by band: the same values, bit for bit.

    Takes the bands of one picture ``(..., H, W)`` from top to bottom; the arguments are those of `resample`.
    """

    def __init__(
        self,
        in_size_yx: tuple[int, int],
        out_size_yx: tuple[int, int],
        *,
        kernel: Kernel = "bicubic",
        scale_yx: tuple[float, float] | None = None,
        offset_yx: tuple[float, float] = (0.0, 0.0),
        shift_yx: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        (in_h, in_w), (out_h, out_w) = in_size_yx, out_size_yx
        self._scale = scale_yx or (out_h / in_h, out_w / in_w)
        self._offset, self._shift, self._kernel, self._width = offset_yx, shift_yx, kernel, out_w
        self._indices, self._weights = axis_taps(in_h, out_h, kernel, self._scale[0], offset_yx[0], shift_yx[0])
        self._last_needed = self._indices.amax(0).cummax(0).values
        self._first_needed = self._indices.amin(0).flip(0).cummin(0).values.flip(0)
        self._held: Tensor | None = None  # rows that are still needed
        self._base = 0  # number of the first of them
        self._done = 0  # output rows given

    def push(self, band: Tensor) -> Tensor:
        """The output rows ``(..., h, out_w)`` that this band completes, float32; there may be none."""
        rows = int(band.shape[-2])
        wide = resample(
            band,
            (rows, self._width),
            kernel=self._kernel,
            scale_yx=(1.0, self._scale[1]),
            offset_yx=(0.0, self._offset[1]),
            shift_yx=(0.0, self._shift[1]),
        )
        held = wide if self._held is None else torch.cat([self._held, wide], -2)
        arrived = self._base + int(held.shape[-2])
        stop = int(torch.searchsorted(self._last_needed, arrived))  # rows that need only what has arrived
        result = self._rows(held, slice(self._done, stop))
        self._done = stop
        if stop < self._first_needed.numel():
            keep = int(self._first_needed[stop])
            held, self._base = held[..., max(0, keep - self._base) :, :], max(self._base, keep)
        self._held = held.clone()
        return result

    def _rows(self, held: Tensor, rows: slice) -> Tensor:
        indices = (self._indices[:, rows] - self._base).to(held.device)
        weights = self._weights[:, rows].to(held.device, held.dtype).unsqueeze(-1)
        if not indices.shape[1]:
            return held[..., :0, :]
        result = held.index_select(-2, indices[0]) * weights[0]
        for index, weight in zip(indices[1:], weights[1:], strict=True):
            result.addcmul_(held.index_select(-2, index), weight)
        return result
