"""Motion made exact against the image that all frames lead to (after Hardie, Barnard and Armstrong 1997).

Two recorded frames never agree quite: both are noisy and aliased, each in its own way. The image behind them is
neither, and the imaging model says how each frame would have recorded it under a given motion. One Gauss-Newton step
for each frame lowers the residual, robustly; image and motions are improved in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.observation import ObservationModel
from vsr.registration import MotionModel
from vsr.stills.boxes import Box, move_points, normalise
from vsr.stills.canvas import Canvas

__all__ = ["MotionSums", "num_parameters"]

_HUBER = 2.5  # standard deviations beyond which a sample pulls no harder
_DAMPING = 1e-5  # of the mean curvature: what nothing determines stays as it is
_LONGEST_STEP_PX = 0.5


def num_parameters(model: MotionModel) -> int:
    """How many numbers describe such a motion."""
    return {"translation": 2, "affine": 6, "homography": 8}[model]


def _columns(u: Tensor, v: Tensor, slope_x: Tensor, slope_y: Tensor, model: MotionModel) -> Tensor:
    """Change of the samples with each parameter, ``(P, N)``, in unit coordinates ``(u, v)``."""
    if model == "translation":
        return torch.stack([slope_x, slope_y])
    columns = [slope_x * u, slope_x * v, slope_x, slope_y * u, slope_y * v, slope_y]
    if model == "homography":
        radial = -(columns[0] + columns[4])
        columns += [radial * u, radial * v]
    return torch.stack(columns)


@dataclass
class MotionSums:
    """Normal equations of every frame's motion, added up over parts of the image."""

    region: Box
    """In the reference; unit coordinates are halves of its longer side, from its middle."""
    model: MotionModel
    matrices: Tensor
    """``(K, P, P)``."""
    rights: Tensor
    """``(K, P)``."""

    @classmethod
    def empty(cls, region: Box, model: MotionModel, num_frames: int) -> MotionSums:
        """Nothing added yet."""
        count = num_parameters(model)
        return cls(
            region,
            model,
            torch.zeros((num_frames, count, count), dtype=torch.float64),
            torch.zeros((num_frames, count), dtype=torch.float64),
        )

    @property
    def _half(self) -> float:
        return max(self.region.width, self.region.height) / 2

    def add(
        self,
        canvas: Canvas,
        observed: ObservationModel,
        residual: Tensor,
        slopes: tuple[Tensor, Tensor],
        confidence: Tensor,
        sigma: float,
    ) -> None:
        """What the samples' ``residual`` ``(K, h, w)`` says, given ``confidence``, 0…1.

        ``slopes`` are those of the predicted samples along rows and columns of the image on ``canvas``, per pixel.
        """
        slope_row, slope_col = slopes
        weights = confidence * observed.inside * (_HUBER * sigma / residual.abs().clamp(min=1e-12)).clamp(max=1.0)
        middle_x, middle_y = self.region.middle
        row, col = canvas.place(*(torch.tensor(m, dtype=torch.float64) for m in (middle_x, middle_y)))
        per_unit = self._half * canvas.scale
        u, v = (observed.cols - col) / per_unit, (observed.rows - row) / per_unit
        for number in range(residual.shape[0]):
            at_u, at_v, along_x, along_y = (
                t[number].reshape(-1) for t in (u, v, slope_col * per_unit, slope_row * per_unit)
            )
            columns = _columns(at_u, at_v, along_x, along_y, self.model)
            weighted = columns * weights[number].reshape(-1)
            self.matrices[number] += (weighted @ columns.T).double()
            self.rights[number] += (weighted @ residual[number].reshape(-1)).double()

    def improve(self, motions: Sequence[Tensor]) -> list[Tensor]:
        """The frames' motions after one step, where it is determined and not too long."""
        return [self._step(number, motion) for number, motion in enumerate(motions)]

    def deviations_px(self, sigma: float) -> list[float]:
        """Standard deviation to expect of the place of each frame's worst corner, in frame pixels."""
        corners = self._unit() @ self.region.corners()
        one, zero = torch.ones_like(corners[0]), torch.zeros_like(corners[0])
        along_x = _columns(corners[0], corners[1], one, zero, self.model).T
        along_y = _columns(corners[0], corners[1], zero, one, self.model).T
        found = []
        for matrix in self.matrices:
            covariance = torch.linalg.pinv(self._damp(matrix)) * sigma * sigma
            variance = sum(((along @ covariance) * along).sum(1) for along in (along_x, along_y))
            assert isinstance(variance, Tensor)
            found.append(float(variance.max().clamp(min=0).sqrt()) * self._half)
        return found

    def _unit(self) -> Tensor:
        """From pixel indices of the reference to unit coordinates."""
        x, y = self.region.middle
        unit = torch.tensor([[1, 0, -x], [0, 1, -y], [0, 0, self._half]], dtype=torch.float64)
        return unit / self._half

    @staticmethod
    def _damp(matrix: Tensor) -> Tensor:
        mean = matrix.diagonal().mean().clamp(min=1e-12)
        damped: Tensor = matrix + _DAMPING * mean * torch.eye(len(matrix), dtype=torch.float64)
        return damped

    def _step(self, number: int, motion: Tensor) -> Tensor:
        step = torch.linalg.solve(self._damp(self.matrices[number]), self.rights[number])
        change = torch.eye(3, dtype=torch.float64)
        if self.model == "translation":
            change[0, 2], change[1, 2] = step[0], step[1]
        else:
            change[:2] += step[:6].reshape(2, 3)
            change[2, :2] += step[6:8] if self.model == "homography" else 0.0
        corners = self._unit() @ self.region.corners()
        x, y = move_points(change, corners[0], corners[1])
        longest = float(torch.hypot(x - corners[0], y - corners[1]).max()) * self._half
        if not longest < float("inf"):
            return motion
        if longest > _LONGEST_STEP_PX:
            identity = torch.eye(3, dtype=torch.float64)
            change = identity + (change - identity) * (_LONGEST_STEP_PX / longest)
        # samples move on the reference: the change follows the frame's inverse motion
        inverse = torch.linalg.inv(self._unit()) @ change @ self._unit() @ torch.linalg.inv(motion)
        return normalise(torch.linalg.inv(inverse))
