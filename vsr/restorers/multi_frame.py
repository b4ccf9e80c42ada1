"""Multi-frame reconstruction: detail that several frames recorded at different sub-pixel positions.

Each frame ``y_k`` is taken for ``D B M_k x + n_k``: the sought picture ``x``, moved, blurred, sampled, noisy.
For every frame the neighbours within `MultiFrameOptions.radius_frames` are registered to it (dense flow, both
ways), and one robust inverse problem is solved for its luma (`vsr.solvers.fusion`). Where neighbours cannot
be trusted (occlusion, wrong motion) only the frame's own samples count: one frame is sharpened, nothing
ghosts. Chroma and alpha are resampled; RGB gets the luma's detail added to each colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.observation import resample
from vsr.registration import (
    FlowPair,
    consistency_error,
    flow_pair,
    match_brightness,
    pixel_positions,
    sample_bicubic,
)
from vsr.registration.flow import MIN_FLOW_SIZE
from vsr.restorers.base import Evidence, Geometry
from vsr.restorers.interpolate import check_size, resample_plane
from vsr.solvers import FrameSamples, FusionSettings, fuse
from vsr.solvers.fusion import misfit_level, neighbourhood_trust

__all__ = ["MultiFrame", "MultiFrameOptions"]

_LUMA_OF_RGB = (0.299, 0.587, 0.114)
_LEAST_NOISE = 0.5 / 255  # of an 8-bit recording: rounding alone
_NOISE_BLOCK = 8
_SMOOTH_SHARE = 0.1
_CONSISTENCY_PX = 0.5  # forward-backward miss at which trust falls to 1/e
_MOTION_STEP_PX = 1.0  # change of motion between neighbouring pixels at which trust falls to 1/e
_MOST_MISFIT = 0.03  # of a neighbour laid on the frame, 0…1; more is another scene, not noise
_OVERSHOOT_SHARE = 0.1  # of the local range: overshoot that is left as it is
_OVERSHOOT_KEPT = 0.5  # of what goes beyond
_REFERENCE_TRUST = 3.0  # the frame's own samples are where they are, a neighbour's only about there


@dataclass(frozen=True)
class MultiFrameOptions:
    """Settings of `MultiFrame`."""

    radius_frames: int = 3
    """Neighbours used on each side of a frame."""
    psf_sigma_px: float = 0.42
    """Standard deviation of lens and pixel blur, in input pixels; too large a value gives halos at edges."""
    regularization: float = 1.0
    """Strength of the smoothness prior; higher is softer and cleaner."""
    outer_iterations: int = 3
    """Times that the trust in each sample is reconsidered."""
    cg_iterations: int = 8
    """Solver steps between two such times."""

    def __post_init__(self) -> None:
        if not 0 <= self.radius_frames <= 16:
            raise UsageError(f"radius_frames is {self.radius_frames}; allowed are 0 to 16")
        if not 0.0 <= self.psf_sigma_px <= 2.0:
            raise UsageError(f"psf_sigma_px is {self.psf_sigma_px}; allowed are 0 to 2 input pixels")
        if not 0.0 < self.regularization <= 100.0:
            raise UsageError(f"regularization is {self.regularization}; allowed are values above 0, to 100")
        if not (1 <= self.outer_iterations <= 20 and 1 <= self.cg_iterations <= 100):
            raise UsageError("outer_iterations must be 1 to 20 and cg_iterations 1 to 100")


@dataclass(frozen=True)
class _Seen:
    """A frame in the window, with its luma ``(h, w)`` in 0…1 on the device."""

    frame: VideoFrame
    luma: Tensor


def _luma(frame: VideoFrame, device: torch.device) -> Tensor:
    planes = [plane.to(device).to(torch.float32) for plane in frame.planes]
    if frame.layout.family != "rgb":
        return planes[0] / frame.layout.peak
    red, green, blue = planes[:3]
    weight_r, weight_g, weight_b = _LUMA_OF_RGB
    return (red * weight_r + green * weight_g + blue * weight_b) / frame.layout.peak


def _noise_floor(luma: Tensor) -> float:
    """Standard deviation of noise, 0…1: mixed differences in the smoothest tenth of the 8×8 blocks."""
    mixed = (luma[1:, 1:] + luma[:-1, :-1] - luma[1:, :-1] - luma[:-1, 1:]).abs() / 2
    blocks = avg_pool2d(mixed[None], _NOISE_BLOCK).flatten().sort().values
    smooth = float(blocks[int(_SMOOTH_SHARE * (blocks.numel() - 1))])
    return max(math.sqrt(math.pi / 2) * smooth, _LEAST_NOISE)


def _local_range(picture: Tensor) -> Tensor:
    """Largest minus smallest of each 3×3 neighbourhood, ``(H, W)``."""
    both = torch.stack([picture, -picture])[None]
    return max_pool2d(both, 3, 1, 1)[0].sum(0)


def _halos_reduced(restored: Tensor, recorded: Tensor, noise: float) -> Tensor:
    """``restored`` ``(H, W)`` with most of its overshoot beyond what was recorded nearby taken back.

    Detail finer than a recorded pixel may exceed its surroundings somewhat; far beyond them lie mostly halos
    of edges that are sharper than the assumed blur allows.
    """
    both = max_pool2d(torch.stack([recorded, -recorded])[None], 3, 1, 1)
    slack = _OVERSHOOT_SHARE * both.sum(1, keepdim=True) + 2 * noise
    size = (int(restored.shape[0]), int(restored.shape[1]))
    high, low = interpolate(both + slack, size=size, mode="bilinear", align_corners=False)[0]
    inside = torch.minimum(torch.maximum(restored, -low), high)
    return torch.lerp(inside, restored, _OVERSHOOT_KEPT)


class MultiFrame:
    """Restore each frame from itself and its neighbours in a sliding window.

    Needs OpenCV for motion. Pictures too small for motion, and shrinking, are resampled instead.
    """

    def __init__(self, geometry: Geometry, options: MultiFrameOptions, device: torch.device) -> None:
        self._geometry = geometry
        self._options = options
        self._device = device
        enlarges = min(geometry.scale_x, geometry.scale_y) >= 1.0
        self._reconstructs = enlarges and min(geometry.width, geometry.height) >= MIN_FLOW_SIZE
        self._settings = FusionSettings(
            psf_sigma_yx=(options.psf_sigma_px * geometry.scale_y, options.psf_sigma_px * geometry.scale_x),
            regularization=options.regularization,
            outer_iterations=options.outer_iterations,
            cg_iterations=options.cg_iterations,
        )

    @property
    def halo_frames(self) -> int:
        """The window's radius."""
        return self._options.radius_frames

    @property
    def evidence(self) -> Evidence:
        """Recorded frames through an imaging model."""
        return "observation-model"

    def stream(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """One reconstructed frame for each frame that is not halo. See `vsr.restorers.base.Restorer`."""
        radius = self._options.radius_frames
        window = _Window(radius)
        for frame in frames:
            check_size(frame, self._geometry)
            window.push(_Seen(frame, _luma(frame, self._device)))
            if window.num_ahead == radius:
                yield from self._restore_centre(window)
        while window.num_ahead > 0 or window.has_centre:
            yield from self._restore_centre(window)

    def _restore_centre(self, window: _Window) -> Iterator[VideoFrame]:
        centre = window.centre
        if not centre.frame.is_halo:
            yield replace(centre.frame, planes=self._planes(centre, window))
        window.advance()

    def _planes(self, centre: _Seen, window: _Window) -> tuple[Tensor, ...]:
        frame, geometry = centre.frame, self._geometry
        planes = [
            resample_plane(frame, number, geometry, "lanczos", self._device)
            for number in range(frame.layout.num_planes)
        ]
        if not self._reconstructs:
            return tuple(planes)
        start = resample(centre.luma, (geometry.out_height, geometry.out_width))
        noise_floor = _noise_floor(centre.luma)
        samples = [self._own_samples(centre)]
        for other, pair in window.neighbours():
            samples.append(self._neighbour_samples(centre, other, pair, noise_floor))
        luma = _halos_reduced(fuse(start, samples, self._settings, noise_floor), centre.luma, noise_floor)
        if frame.layout.family != "rgb":
            planes[0] = luma * frame.layout.peak
            return tuple(planes)
        detail = (luma - start) * frame.layout.peak
        return tuple(p + detail if number < 3 else p for number, p in enumerate(planes))

    def _place(self, rows: Tensor, cols: Tensor) -> tuple[Tensor, Tensor]:
        """Positions in the input, in pixel indices, as positions in the output (half-pixel centres)."""
        return (rows + 0.5) * self._geometry.scale_y - 0.5, (cols + 0.5) * self._geometry.scale_x - 0.5

    def _own_samples(self, centre: _Seen) -> FrameSamples:
        luma = centre.luma
        rows, cols = self._place(*pixel_positions(luma.new_zeros((2, *luma.shape))))
        trust = torch.full_like(luma, _REFERENCE_TRUST)
        return FrameSamples(luma, rows, cols, trust, _local_range(luma), is_reference=True)

    def _neighbour_samples(self, centre: _Seen, other: _Seen, pair: FlowPair, noise_floor: float) -> FrameSamples:
        """``other``'s samples placed on ``centre`` by ``pair``, the motion from ``other`` to ``centre``."""
        rows, cols = pixel_positions(pair.forward)
        expected = sample_bicubic(centre.luma[None], rows, cols)[0]
        motion_step = torch.maximum(_local_range(pair.forward[0]), _local_range(pair.forward[1]))
        miss = consistency_error(pair)
        trust = torch.exp(-((miss / _CONSISTENCY_PX) ** 2) - (motion_step / _MOTION_STEP_PX) ** 2)
        values = match_brightness(expected, other.luma, trust).apply(other.luma)
        contrast = _local_range(values)
        misfit = expected - values
        level = misfit_level(misfit).clamp(min=noise_floor, max=max(noise_floor, _MOST_MISFIT))
        trust = trust * neighbourhood_trust(misfit, contrast, level)
        return FrameSamples(values, *self._place(rows, cols), trust, contrast, is_reference=False)


class _Window:
    """The frames around the one being restored, and the motion between them, each pair computed once."""

    def __init__(self, radius: int) -> None:
        self._radius = radius
        self._frames: list[_Seen] = []
        self._centre = 0  # index of the frame being restored
        self._pairs: dict[tuple[int, int], FlowPair | None] = {}  # by the serial numbers of the frames
        self._dropped = 0  # frames that have left at the front

    @property
    def has_centre(self) -> bool:
        """Whether a frame is waiting to be restored."""
        return self._centre < len(self._frames)

    @property
    def num_ahead(self) -> int:
        """Frames after the one being restored."""
        return len(self._frames) - 1 - self._centre

    @property
    def centre(self) -> _Seen:
        """The frame being restored."""
        return self._frames[self._centre]

    def push(self, seen: _Seen) -> None:
        """Append the next frame."""
        self._frames.append(seen)

    def advance(self) -> None:
        """Go on to the next frame; forget what no later frame needs."""
        self._centre += 1
        if self._centre > self._radius:
            self._frames.pop(0)
            self._centre -= 1
            self._dropped += 1
        current = self._dropped + self._centre
        self._pairs = {key: pair for key, pair in self._pairs.items() if key[1] >= current}

    def neighbours(self) -> Iterator[tuple[_Seen, FlowPair]]:
        """Other frames within the radius whose motion is known, with the motion from each to the centre."""
        first = max(0, self._centre - self._radius)
        last = min(len(self._frames), self._centre + self._radius + 1)
        for index in range(first, last):
            if index != self._centre:
                pair = self._pair(min(index, self._centre), max(index, self._centre))
                if pair is not None:
                    yield self._frames[index], pair if index < self._centre else pair.reversed()

    def _pair(self, earlier: int, later: int) -> FlowPair | None:
        key = (self._dropped + earlier, self._dropped + later)
        if key not in self._pairs:
            self._pairs[key] = flow_pair(self._frames[earlier].luma, self._frames[later].luma)
        return self._pairs[key]
