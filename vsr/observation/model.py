"""The observation model of several frames at once: blur the sought image, read it where each frame has samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from vsr.observation.operator import LinearOperator
from vsr.observation.sampling import (
    SAMPLE_COUPLINGS,
    PointSampler,
    add_up_samples,
    lie_inside,
    read_residual,
    read_residual_with_slopes,
    read_samples,
    read_with_slopes,
)
from vsr.observation.stencil import Stencil

__all__ = ["ObservationModel", "grid_positions"]


def grid_positions(
    size_yx: tuple[int, int],
    scale_yx: tuple[float, float],
    shift_yx: tuple[float, float] = (0.0, 0.0),
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> tuple[Tensor, Tensor]:
    """``(rows, cols)``, each ``(h, w)``: where the samples of a frame of ``size_yx`` lie in the sought image.

    In pixel indices of the sought image, for samples moved by ``shift_yx`` (in pixels of the frame) from the
    centres of their blocks.
    """
    axes = []
    for size, scale, shift in zip(size_yx, scale_yx, shift_yx, strict=True):
        index = torch.arange(size, dtype=torch.float64, device=device)
        axes.append(((index + 0.5 + shift) * scale - 0.5).to(dtype))
    rows, cols = torch.meshgrid(*axes, indexing="ij")
    return rows.contiguous(), cols.contiguous()


@dataclass(frozen=True)
class ObservationModel:
    """``A_k = S_k B`` for K frames of ``(h, w)``: a blur B on the grid of the sought image, then bilinear reading.

    Equal to D B M_k where the blur is the same in all directions and the motion is close to a shift in the
    neighbourhood of a pixel. Strong zoom needs `VaryingBlur`; compose it with `Warp` and `Decimation` to simulate that.
    Samples outside the image read 0 and count for nothing.
    """

    size_yx: tuple[int, int]
    """Size of the sought image, at least 2×2."""
    rows: Tensor
    """Row of each sample in the sought image, ``(K, h, w)``, in pixel indices."""
    cols: Tensor
    """Column of each sample."""
    blur: LinearOperator
    """B; make it with `reading_blur`, which makes up for the blur of reading."""
    scale_yx: tuple[float, float]
    """Pixels of the sought image per sample of a frame."""
    shifts_yx: Tensor | None = None
    """``(K, 2)`` where each frame is the scene moved as a whole, in pixels of the frame; None for any motion."""

    @classmethod
    def from_shifts(
        cls,
        frame_size_yx: tuple[int, int],
        size_yx: tuple[int, int],
        shifts_yx: Tensor,
        blur: LinearOperator,
        *,
        offset_px: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> ObservationModel:
        """The model of a scene that moves as a whole.

        ``shifts_yx`` ``(K, 2)``: sample p of frame k shows what lies at p + shift of the unmoved frame, in
        pixels of the frame. ``offset_px``: how far right of and below the centre of its block every sample sits.
        """
        scale_yx = (size_yx[0] / frame_size_yx[0], size_yx[1] / frame_size_yx[1])
        placed = [
            grid_positions(
                frame_size_yx,
                scale_yx,
                (float(y) + offset_px, float(x) + offset_px),
                dtype=dtype,
                device=shifts_yx.device,
            )
            for y, x in shifts_yx
        ]
        rows, cols = (torch.stack(axis) for axis in zip(*placed, strict=True))
        return cls(size_yx, rows, cols, blur, scale_yx, shifts_yx)

    @property
    def num_frames(self) -> int:
        """K."""
        return int(self.rows.shape[0])

    @cached_property
    def _samplers(self) -> Sequence[PointSampler]:
        places = zip(self.rows, self.cols, strict=True)
        return [PointSampler(rows.reshape(-1), cols.reshape(-1), self.size_yx) for rows, cols in places]

    @cached_property
    def inside(self) -> Tensor:
        """``(K, h, w)`` bool: samples within the image."""
        return lie_inside(self.rows, self.cols, self.size_yx)

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """The samples of every frame, ``(K, h, w)``, of an image ``(H, W)``."""
        return self.read(self.blur.A(image))

    def read(self, blurred: Tensor) -> Tensor:
        """The samples of every frame, ``(K, h, w)``, of an image ``(H, W)`` that is blurred already."""
        return read_samples(blurred, self.rows, self.cols)

    def read_with_slopes(self, blurred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`read`, and its derivatives along rows and columns, per pixel; ``(K, h, w)`` each."""
        return read_with_slopes(blurred, self.rows, self.cols)

    def residual(self, blurred: Tensor, frames: Tensor) -> Tensor:
        """``frames`` ``(K, h, w)`` minus `read`; 0 outside the image."""
        return read_residual(blurred, self.rows, self.cols, frames)

    def residual_with_slopes(self, blurred: Tensor, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`residual`, and the slopes of `read_with_slopes`; ``(K, h, w)`` each."""
        return read_residual_with_slopes(blurred, self.rows, self.cols, frames)

    def A_adjoint(self, samples: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: samples ``(K, h, w)`` spread onto an image ``(H, W)``."""
        spread = torch.zeros(self.size_yx, dtype=samples.dtype, device=samples.device)
        for sampler, values in zip(self._samplers, samples, strict=True):
            spread += sampler.A_adjoint(values.reshape(-1))
        return self.blur.A_adjoint(spread)

    def normal_equations(self, weights: Tensor, values: Tensor) -> tuple[Stencil, Tensor]:
        """``sum S_k^T W_k S_k`` and ``sum S_k^T W_k y_k``, before blurring; all frames ``(K, h, w)``, weights ≥ 0."""
        centre, *couplings, right_side = add_up_samples(self.rows, self.cols, weights, values, self.size_yx)
        return Stencil(centre, dict(zip(SAMPLE_COUPLINGS, couplings, strict=True))), right_side

    def moved(self, rows_px: Tensor, cols_px: Tensor) -> ObservationModel:
        """The model with every sample moved, by ``(K, h, w)`` pixels of the sought image."""
        return replace(self, rows=self.rows + rows_px, cols=self.cols + cols_px, shifts_yx=None)

    def strip(self, first: int, last: int) -> tuple[ObservationModel, slice]:
        """The model of image rows ``first`` to ``last`` (exclusive), and the rows of the frames that reach them."""
        reaching = ((self.rows >= first) & (self.rows <= last - 1)).any(2).any(0).nonzero()
        part = slice(int(reaching[0]), int(reaching[-1]) + 1) if reaching.numel() else slice(0, 0)
        size = (last - first, self.size_yx[1])
        return replace(self, size_yx=size, rows=self.rows[:, part] - first, cols=self.cols[:, part]), part
