"""Steadies frames that jump: gate weave of film, hand-held cameras. Intended motion stays.

From each frame to the next the camera's motion is registered. Chained over the frames around a frame, it tells where
the frame's corners are in each of these; a straight line through that by local regression (Cleveland 1979), which
keeps steady pans exactly, is where they should be. Black bars do not count, as they stand still. Where registration
fails, the path ends, as it does at cuts. On the way, the distortion of a known lens and the lean of rows that were
read one after the other are undone, all by one interpolation (`vsr.methods.passes.sensor`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import PixelLayout, VideoFrame
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.passes.luma import luma_of_frame
from vsr.methods.passes.sensor import Sensor, fit_lens, lens_words, read_lens
from vsr.observation.lens import Lens
from vsr.registration import MotionModel, register, sample_bicubic

__all__ = ["PreparedStabilize", "Stabilize", "StabilizeOptions", "prepare_stabilize"]

_HELD_BYTES = 6  # of a pixel of each frame in the window: float32, chroma at a quarter
_NONE = "none"
_MODELS: dict[str, MotionModel] = {"translation": "translation", "similarity": "affine", "homography": "homography"}
_BAR, _BAR_MARGIN_PX = 0.05, 4  # luma that rows and columns of black bars do not exceed; what beside them is left out
_LEAST_NUMBERS = 5
_LEAST_PX = 0.01  # correction below which a frame is left as it is
_FILLING_FRAMES = 8  # on each side, the nearest first, from which borders are filled
_INSIDE_PX = 1e-3  # by which a place may lie outside of a frame that it is read from


@dataclass(frozen=True)
class StabilizeOptions:
    """Settings of `Stabilize`."""

    radius_frames: int = 24
    """Frames on each side over which the path is smoothed: about a second."""
    model: Literal["translation", "similarity", "homography", "none"] = "translation"
    """What is corrected: shifts, as of film in its gate; also turns and zooms; also tilts; none: the lens alone."""
    most_shift: float = 0.05
    """Largest correction, as a share of the frame's shorter side, above 0 to 0.25."""
    borders: Literal["neighbours", "zoom"] = "neighbours"
    """What is done where a moved frame does not reach: filled from frames nearby, or cropped by a fixed zoom."""
    calibration: str | None = None
    """YAML file of the lens's calibration, as OpenCV or ROS write it: its distortion is undone."""
    lens: tuple[float, ...] = ()
    """The same in numbers, ``[f,k1,k2,p1,p2,…]``: focal length in pixels, OpenCV's coefficients; about the middle."""
    fisheye: bool = False
    """Whether ``lens`` is a fisheye's: ``[f,k1,k2,k3,k4]``; calibration files say so themselves."""
    readout: float = 0.0
    """Rolling shutter: time from the first row to the last, as a share of the time between frames, -1 to 1; 0: none."""

    def __post_init__(self) -> None:
        if not 1 <= self.radius_frames <= 120:
            raise UsageError(f"radius_frames is {self.radius_frames}; stabilize takes 1 to 120")
        if self.model not in (*_MODELS, _NONE):
            raise UsageError(f"model is {self.model!r}; allowed are {', '.join((*_MODELS, _NONE))}")
        if not 0.0 < self.most_shift <= 0.25:
            raise UsageError(f"most_shift is {self.most_shift}; allowed are values above 0, to 0.25")
        if self.borders not in ("neighbours", "zoom"):
            raise UsageError(f"borders is {self.borders!r}; allowed are neighbours and zoom")
        if not -1.0 <= self.readout <= 1.0:
            raise UsageError(f"readout is {self.readout}; allowed are -1 to 1")
        if self.calibration is not None and self.lens:
            raise UsageError("calibration and lens both describe the lens; give one of them")
        if self.fisheye and not self.lens:
            raise UsageError("fisheye is said of lens; give lens, or leave it out: a calibration file says so itself")
        if self.lens and len(self.lens) < _LEAST_NUMBERS:
            raise UsageError(
                f"lens has {len(self.lens)} numbers; it is [f,k1,k2,p1,p2,…], of a fisheye [f,k1,k2,k3,k4]"
            )
        if self.model == _NONE and self.readout != 0:
            raise UsageError("readout needs the motion between frames; give another model than none")


def _without_bars(luma: Tensor) -> Tensor:
    """``(H, W)``: 0 in rows and columns that are black from end to end, and beside them, else 1."""
    weights = torch.ones_like(luma)
    for axis in (0, 1):
        is_black = (luma.amax(1 - axis) < _BAR).float()[None, None]
        near = torch.nn.functional.max_pool1d(is_black, 2 * _BAR_MARGIN_PX + 1, 1, _BAR_MARGIN_PX)[0, 0]
        weights *= (1 - near)[:, None] if axis == 0 else 1 - near
    return weights


def _motion(first: Tensor, second: Tensor, model: MotionModel, seen: Tensor | None) -> Tensor | None:
    """``(3, 3)`` float64, from ``first`` to ``second``; None where it cannot be estimated.

    ``seen``: weights of places, None for all alike.
    """
    weights = _without_bars(first) if seen is None else _without_bars(first) * seen
    if not bool(weights.any()):
        return None
    found = register(first, second, model, weights=weights)
    return found.matrix if found.converged else None


def _regression_weights(steps: Tensor, radius: int) -> Tensor:
    """Weights with which values at ``steps`` sum to that of a line through them at step 0; near ones count more."""
    nearness = 1 - (steps / (radius + 1)) ** 2
    columns = torch.stack([torch.ones_like(steps), steps], 1)
    normal = columns.T @ (nearness[:, None] * columns)
    weights: Tensor = torch.linalg.solve(normal, (nearness[:, None] * columns).T)[0]
    return weights


def _move(matrix: Tensor, points: Tensor) -> Tensor:
    """``(N, 2)`` points, column first, moved."""
    lifted = torch.cat([points, torch.ones_like(points[:, :1])], 1) @ matrix.T
    return lifted[:, :2] / lifted[:, 2:]


def _fit(sources: Tensor, targets: Tensor, model: str) -> Tensor:
    """``(3, 3)``: the motion that leads four ``sources`` to ``targets``, or next to them."""
    matrix = torch.eye(3, dtype=torch.float64)
    if model == "translation":
        matrix[:2, 2] = (targets - sources).mean(0)
    elif model == "similarity":
        a, b = sources - sources.mean(0), targets - targets.mean(0)
        along = (a * b).sum() / (a * a).sum()
        across = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / (a * a).sum()
        matrix[:2, :2] = torch.stack([torch.stack([along, -across]), torch.stack([across, along])])
        matrix[:2, 2] = targets.mean(0) - matrix[:2, :2] @ sources.mean(0)
    else:
        x, y, one = sources[:, 0], sources[:, 1], torch.ones(4, dtype=torch.float64)
        none = torch.zeros(4, dtype=torch.float64)
        rows = []
        for axis, values in enumerate((targets[:, 0], targets[:, 1])):
            own = [x, y, one] if axis == 0 else [none, none, none]
            other = [none, none, none] if axis == 0 else [x, y, one]
            rows.append(torch.stack([*own, *other, -values * x, -values * y], 1))
        solved = torch.linalg.solve(torch.cat(rows), torch.cat([targets[:, 0], targets[:, 1]]))
        matrix = torch.cat([solved, torch.ones(1, dtype=torch.float64)]).reshape(3, 3)
    return matrix


class _Window:
    """Frames around the one that is next, with the motion between them."""

    def __init__(self, options: StabilizeOptions, sensor: Sensor, device: torch.device) -> None:
        self._options, self._sensor, self._device = options, sensor, device
        self._radius = options.radius_frames if options.model != _NONE else 0
        self._frames: dict[int, VideoFrame] = {}
        self._motions: dict[int, Tensor | None] = {}
        """From each frame to the next."""
        self._last: Tensor | None = None
        self._count = self._next = 0

    def push(self, frame: VideoFrame) -> None:
        """Take one more frame."""
        self._frames[self._count] = frame
        if self._options.model != _NONE:
            luma, seen = self._pinhole(luma_of_frame(frame))
            if self._last is not None:
                self._motions[self._count - 1] = _motion(self._last, luma, _MODELS[self._options.model], seen)
            self._last = luma
        self._count += 1

    def ready(self, *, is_over: bool) -> Iterator[VideoFrame]:
        """Frames whose neighbours are all there, steadied."""
        radius = self._radius
        while self._next < self._count and (is_over or self._next + radius < self._count):
            if not self._frames[self._next].is_halo:
                yield self._steady(self._next)
            self._next += 1
            self._frames.pop(self._next - radius - 1, None)
            self._motions.pop(self._next - radius - 1, None)

    def _pinhole(self, luma: Tensor) -> tuple[Tensor, Tensor | None]:
        """``luma`` without its lens, and where it is known, 0 or 1; as it is where there is none."""
        if self._sensor.lens is None:
            return luma, None
        y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) for size in luma.shape), indexing="ij")
        rows, cols, is_inside = _within(*self._sensor.places(x, y, None, None), luma.shape)
        return sample_bicubic(luma[None], rows.to(luma), cols.to(luma))[0], is_inside.to(luma)

    def _paths(self, number: int) -> dict[int, Tensor]:
        """From frame ``number`` to those around, ``(3, 3)`` by their distance, as far as the path can be followed."""
        paths = {0: torch.eye(3, dtype=torch.float64)}
        for way in (-1, 1):
            for distance in range(1, self._radius + 1):
                motion = self._motions.get(number + distance - 1 if way > 0 else number - distance)
                if motion is None:
                    break
                step = motion if way > 0 else torch.linalg.inv(motion)
                matrix = step @ paths[way * (distance - 1)]
                paths[way * distance] = matrix / matrix[2, 2]
        return paths

    def _correction(self, size_yx: tuple[int, int], paths: dict[int, Tensor]) -> tuple[Tensor, float]:
        """Where each place of the steadied frame is read in the given one, ``(3, 3)``, and by how far corners move."""
        bottom, right = size_yx[0] - 1.0, size_yx[1] - 1.0
        corners = torch.tensor([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]], dtype=torch.float64)
        if len(paths) < 3:
            return torch.eye(3, dtype=torch.float64), 0.0
        distances = sorted(paths)
        weights = _regression_weights(torch.tensor(distances, dtype=torch.float64), self._options.radius_frames)
        places = torch.stack([_move(paths[distance], corners) for distance in distances])
        shifts = torch.einsum("t,tcx->cx", weights, places) - corners
        if self._options.model == "translation":
            shifts = shifts.mean(0).expand(4, 2)
        length = float(shifts.norm(dim=1).max())
        most = self._options.most_shift * min(size_yx)
        shifts = shifts * min(1.0, most / max(length, 1e-9))
        return _fit(corners + shifts, corners, self._options.model), min(length, most)

    def _zoom(self, size_yx: tuple[int, int]) -> Tensor:
        """``(3, 3)``: about the centre, so far that no correction shows a border."""
        matrix = torch.eye(3, dtype=torch.float64)
        most = self._options.most_shift * min(size_yx)
        for axis, size in enumerate((size_yx[1], size_yx[0])):
            matrix[axis, axis] = 1 - 2 * most / size
            matrix[axis, 2] = most * (size - 1) / size
        return matrix

    def _steady(self, number: int) -> VideoFrame:
        frame, paths = self._frames[number], self._paths(number)
        size_yx = (frame.height, frame.width)
        back, length = self._correction(size_yx, paths)
        is_zoomed = self._options.borders == "zoom"
        planes, filled = tuple(plane.float() for plane in frame.planes), 0.0
        if is_zoomed or length >= _LEAST_PX or not self._sensor.is_plain:
            back = back @ self._zoom(size_yx) if is_zoomed else back
            nearest = sorted((distance for distance in paths if abs(distance) <= _FILLING_FRAMES), key=abs)
            sources = [(number + distance, paths[distance] @ back) for distance in nearest]
            made = [self._read(at, sources[:1] if is_zoomed else sources) for at in range(len(planes))]
            planes, filled = tuple(plane for plane, _ in made), made[0][1]
        findings = {**frame.findings, "stabilize_shift_px": length, "stabilize_filled_share": filled}
        return replace(frame, planes=planes, findings=findings)

    def _places(self, number: int, plane: int, back: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns at which a plane of frame ``number`` is read, and whether they are in it; see `_within`."""
        frame, to_luma = self._frames[number], _plane_grid(self._frames[number].layout, plane)
        size_yx = frame.planes[plane].shape
        y, x = torch.meshgrid(*(torch.arange(size, dtype=torch.float64) for size in size_yx), indexing="ij")
        if self._sensor.is_plain:
            return _within(*_moved(torch.linalg.inv(to_luma) @ back @ to_luma, x, y), size_yx)
        before, after = self._motions.get(number - 1), self._motions.get(number)
        before = None if before is None else torch.linalg.inv(before)
        recorded = self._sensor.places(*_moved(back @ to_luma, x, y), before, after)
        return _within(*_moved(torch.linalg.inv(to_luma), *recorded), size_yx)

    def _read(self, plane: int, sources: Sequence[tuple[int, Tensor]]) -> tuple[Tensor, float]:
        """A plane from the first of ``sources`` that reaches a place, and the share that was not of the first one.

        Each is a frame's number with where it is read. Beyond all of them the first one's border is repeated.
        """
        own = self._frames[sources[0][0]].planes[plane]
        made, is_open, filled = torch.zeros(own.shape), torch.ones(own.shape, dtype=torch.bool), 0.0
        border = made
        for order, (number, back) in enumerate(sources):
            frame = self._frames[number]
            rows, cols, is_inside = self._places(number, plane, back)
            if order == 0 or bool((is_inside & is_open).any()):
                values = torch.nan_to_num(frame.planes[plane].to(self._device).float())
                read = sample_bicubic(values[None], rows.to(self._device), cols.to(self._device))[0].cpu()
                border = read if order == 0 else border
                made = torch.where(is_inside & is_open, read, made)
            is_open &= ~is_inside
            filled = float(is_open.float().mean()) if order == 0 else filled
            if not bool(is_open.any()):
                break
        return torch.where(is_open, border, made).to(own.device), filled


def _plane_grid(layout: PixelLayout, plane: int) -> Tensor:
    """``(3, 3)``: from samples of a plane to luma samples."""
    matrix = torch.eye(3, dtype=torch.float64)
    if layout.is_chroma(plane):
        for axis, shift in enumerate((layout.chroma_shift_x, layout.chroma_shift_y)):
            matrix[axis, axis], matrix[axis, 2] = 1 << shift, ((1 << shift) - 1) / 2
    return matrix


def _moved(matrix: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Places ``(x, y)`` moved by a homography ``(3, 3)``."""
    depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    to_x = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / depth
    to_y = (matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / depth
    return to_x, to_y


def _within(cols: Tensor, rows: Tensor, size_yx: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and columns of places, ``(H, W)`` float32, and whether they are in a plane; what is NaN is not."""
    bottom, right = size_yx[0] - 1 + _INSIDE_PX, size_yx[1] - 1 + _INSIDE_PX
    is_inside = (rows >= -_INSIDE_PX) & (rows <= bottom) & (cols >= -_INSIDE_PX) & (cols <= right)
    return torch.nan_to_num(rows).float(), torch.nan_to_num(cols).float(), is_inside


class Stabilize:
    """Moves each frame to where the smoothed path of the camera has it."""

    def __init__(self, geometry: Geometry, options: StabilizeOptions, lens: Lens | None, device: torch.device) -> None:
        """UsageError for a lens that was calibrated on images of another shape."""
        size_yx = (geometry.height, geometry.width)
        fitting = None if lens is None else fit_lens(lens, geometry)
        self._geometry, self._options, self._device = geometry, options, device
        self._sensor = Sensor(fitting, options.readout, size_yx)

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: shots have no bound, so that the frames around each frame tell its path."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        window = _Window(self._options, self._sensor, self._device)
        for frame in frames:
            check_size(frame, self._geometry)
            window.push(frame)
            yield from window.ready(is_over=False)
        yield from window.ready(is_over=True)


@dataclass(frozen=True)
class PreparedStabilize(Prepared[StabilizeOptions]):
    """`Stabilize` with its options."""

    lens: Lens | None = None
    """That of the options, read."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames around each frame."""
        halo = self.options.radius_frames if self.options.model != _NONE else 0
        frames = 2 * halo + 1
        return Capabilities(
            "observation-model",
            halo_frames=halo,
            keeps_size=True,
            bytes_per_pixel=_HELD_BYTES * frames,
        )

    def key(self) -> Mapping[str, Any]:
        """The lens, wherever it is from."""
        return {"lens": self.lens}

    def describe(self) -> Mapping[str, Any]:
        """The same."""
        return {"model": None, "estimator": None, "lens": self.lens}

    def plan_rows(self) -> list[tuple[str, str]]:
        """What is done about borders, and about the lens."""
        rows = [] if self.lens is None else [("lens", lens_words(self.lens))]
        if self.options.borders == "zoom":
            return [
                *rows,
                ("borders", f"cropped by a fixed zoom, {self.options.most_shift:.0%} of the shorter side each"),
            ]
        return [*rows, ("borders", "filled from frames nearby, else repeated")]

    def open(self, geometry: Geometry) -> Stabilize:
        """See `Prepared`."""
        return Stabilize(geometry, self.options, self.lens, self.torch_device)


def prepare_stabilize(geometry: Geometry, options: StabilizeOptions, device: str) -> PreparedStabilize:
    """See `vsr.methods.method.Method`. Raises `UsageError` for what is no lens, or one for images of another shape."""
    lens = read_lens(options.calibration, options.lens, geometry, is_fisheye=options.fisheye)
    if lens is not None:
        fit_lens(lens, geometry)
    elif options.model == _NONE:
        raise UsageError("stabilize with model none does nothing without a lens; give calibration or lens")
    return PreparedStabilize(options, device, lens)
