"""Where a camera's sensor recorded what a steady pinhole camera would show: behind its lens, and row by row.

Rows are read one after the other (rolling shutter), so each shows the scene a little later than the one above it, and
moving cameras lean and bend what they see. The motion to the frame before and to the one after tells where a place was
at the time of its row (a parabola through the three; Grundmann et al. 2012 model motion by rows, too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vsr.errors import UsageError
from vsr.methods.method import Geometry
from vsr.observation.lens import Lens

__all__ = ["Sensor", "fit_lens", "lens_words", "read_lens"]

_ROUNDS = 3  # of finding the row that a place is recorded in; each is closer by the motion of a row's time


@dataclass(frozen=True)
class Sensor:
    """A lens, and the time that reading takes."""

    lens: Lens | None
    readout: float
    """Time from the first row to the last, in frame intervals; negative where the last row is read first."""
    size_yx: tuple[int, int]

    @property
    def is_plain(self) -> bool:
        """Whether it records what a pinhole camera shows, all rows at once."""
        return self.lens is None and self.readout == 0

    def places(self, x: Tensor, y: Tensor, before: Tensor | None, after: Tensor | None) -> tuple[Tensor, Tensor]:
        """Where in the frame that is recorded what is at ``(x, y)`` in the middle of its time; any shape, float64.

        ``before`` and ``after``: ``(3, 3)``, the motion from this frame to its neighbours, if known. NaN where the
        lens's model says nothing.
        """
        to_x, to_y = self._through_lens(x, y)
        if self.readout == 0 or (before is None and after is None):
            return to_x, to_y
        back, on = (None if matrix is None else _displacement(matrix, x, y) for matrix in (before, after))
        for _ in range(_ROUNDS):
            time = self.readout * ((to_y + 0.5) / self.size_yx[0] - 0.5)
            off_x, off_y = _at(time, back, on)
            to_x, to_y = self._through_lens(x + off_x, y + off_y)
        return to_x, to_y

    def _through_lens(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return (x, y) if self.lens is None else self.lens.distort(x, y)


def _displacement(matrix: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    to_x, to_y = ((row[0] * x + row[1] * y + row[2]) / depth for row in matrix[:2])
    return to_x - x, to_y - y


def _at(time: Tensor, back: Sequence[Tensor] | None, on: Sequence[Tensor] | None) -> tuple[Tensor, Tensor]:
    """Displacement at a share ``time`` of the way to the frame after, from those at -1 and 1: a parabola, or a line."""
    if back is None or on is None:
        [x, y] = on or [-value for value in back or ()]
        return time * x, time * y
    x, y = ((a + b) / 2 * time.square() + (b - a) / 2 * time for a, b in zip(back, on, strict=True))
    return x, y


def read_lens(
    calibration: str | None, numbers: Sequence[float], geometry: Geometry, *, is_fisheye: bool
) -> Lens | None:
    """The lens of a file, or of ``[f, coefficients…]``, or None for neither. Raises `UsageError`."""
    from vsr.media.calibration import read_calibration

    if calibration is not None:
        try:
            path = Path(calibration).expanduser()
        except RuntimeError as error:  # no such user
            raise UsageError(f"calibration {calibration}: cannot be read ({error})") from error
        return read_calibration(path)
    if not numbers:
        return None
    focal, *coefficients = numbers
    width, height = geometry.width, geometry.height
    try:
        return Lens(
            (focal, focal), ((width - 1) / 2, (height - 1) / 2), tuple(coefficients), is_fisheye, (width, height)
        )
    except ValueError as error:
        raise UsageError(f"lens: {error}") from error


def fit_lens(lens: Lens, geometry: Geometry) -> Lens:
    """The lens on frames of this size. Raises `UsageError` where it was calibrated on another shape."""
    try:
        return lens.for_size(geometry.width, geometry.height)
    except ValueError as error:
        raise UsageError(f"lens: {error}") from error


def lens_words(lens: Lens) -> str:
    """For people."""
    kind = "fisheye" if lens.is_fisheye else "lens"
    return (
        f"{kind} of {lens.focal_xy[0]:.1f} pixels focal length, {len(lens.coefficients)} coefficients of OpenCV's model"
    )
