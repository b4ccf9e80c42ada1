"""Finds dirt, dust, sparkle and dropouts, which one frame has and its neighbours do not, and fills them from these.

A pixel is suspect that lies outside the range of both motion-compensated neighbours (the rank-order detector of
Nadenau and Mitra 1997, of a 3×3 neighbourhood of each); a spot grows from it over pixels that differ from both
neighbours alike (SDIa: Kokaram 1998). Motion is estimated twice, the second time between frames whose suspects were
filled, as dirt leads it astray. A spot is repaired only where its surroundings register well in both neighbours, and
unless it is part of the scene: what stands out in other frames, too, near the same place or along a straight path, is
a bird, rain or glitter. Pixels outside the spots keep their values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.convert import code_range
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.passes.luma import luma_of_frame
from vsr.methods.passes.spots import LOOSE, STRICT, Spots, find_spots, ring_offsets, without_the_scene
from vsr.registration import (
    FlowPair,
    consistency_error,
    flow_pair,
    match_brightness,
    pixel_positions,
    sample_bilinear,
    warp_to,
)

__all__ = ["Dust", "DustOptions", "PreparedDust", "prepare_dust"]

_PATH_FRAMES = 2  # frames on each side in which a spot is looked for again
_HALO = _PATH_FRAMES + 2  # a frame's spots rest on the neighbours' neighbours: motion is estimated twice
_CLEAN, _LEAST_WEIGHT = 0.99, 1e-3  # share of a neighbour's sample that is its own; what else it counts


@dataclass(frozen=True)
class DustOptions:
    """Settings of `Dust`."""

    sensitivity: float = 1.0
    """From 0.25 to 4: how faint spots may be. At 2 those of half the contrast are found, and more that are none."""
    largest_spot: float = 0.2
    """Longest side of a spot, as a share of the frame's shorter side, above 0 to 0.5. Larger things are left alone."""
    show: Literal["repaired", "mask"] = "repaired"
    """What to write: repaired frames, or the mask of what is repaired, white on black."""

    def __post_init__(self) -> None:
        if not 0.25 <= self.sensitivity <= 4.0:
            raise UsageError(f"sensitivity is {self.sensitivity}; allowed are 0.25 to 4")
        if not 0.0 < self.largest_spot <= 0.5:
            raise UsageError(f"largest_spot is {self.largest_spot}; allowed are values above 0, to 0.5")
        if self.show not in ("repaired", "mask"):
            raise UsageError(f"show is {self.show!r}; allowed are repaired and mask")


@dataclass(frozen=True)
class _Side:
    """A frame beside another one."""

    frame: VideoFrame
    flow: Tensor
    """``(2, H, W)``: from the other one to it."""
    seen: Tensor
    """``(H, W)``: its luma as the other one sees it, of the same brightness."""
    gain: float
    """What brings it to the other one's brightness, with ``offset``; black 0, white 1."""
    offset: float
    weight: Tensor
    """``(H, W)``: 1 where it has no suspect itself, else nearly 0."""

    def plane(self, number: int, size_yx: tuple[int, int]) -> Tensor:
        """A plane as the other frame sees it, ``(h, w)`` float32 code values, of its brightness."""
        frame, flow = self.frame, self.flow
        is_chroma = frame.layout.is_chroma(number)
        base, span = code_range(frame.layout, frame.color.full_range, is_chroma)
        if flow.shape[-2:] != size_yx:
            shares = torch.tensor([size_yx[0] / flow.shape[-2], size_yx[1] / flow.shape[-1]])[:, None, None]
            flow = torch.nn.functional.interpolate(flow[None], size_yx, mode="area")[0] * shares
        moved = warp_to(torch.nan_to_num(frame.planes[number].cpu().float()), flow) - base
        return moved * self.gain + base + (0.0 if is_chroma else self.offset * span)


class _Window:
    """Frames of a shot around those that are next; what is found of each is kept until nothing needs it."""

    def __init__(self, options: DustOptions) -> None:
        self._options = options
        self._frames: dict[int, VideoFrame] = {}
        self._lumas: dict[int, Tensor] = {}
        self._guesses: dict[int, tuple[Tensor, Tensor]] = {}
        self._motions: dict[tuple[int, bool], FlowPair | None] = {}
        self._spots: dict[int, Spots | None] = {}
        self._count = self._next = 0

    def push(self, frame: VideoFrame) -> None:
        """Take one more frame."""
        self._frames[self._count], self._lumas[self._count] = frame, luma_of_frame(frame)
        self._count += 1

    def ready(self, *, is_over: bool) -> Iterator[VideoFrame]:
        """Frames whose neighbours are all there, repaired."""
        while self._next < self._count and (is_over or self._next + _HALO < self._count):
            if not self._frames[self._next].is_halo:
                yield self._repair(self._next)
            self._next += 1
            self._forget(self._next - _HALO)

    def _forget(self, first: int) -> None:
        """What is found of frames before ``first``."""
        for kept in (self._frames, self._lumas, self._guesses, self._spots):
            kept.pop(first - 1, None)
        for is_last in (False, True):
            self._motions.pop((first - 1, is_last), None)

    def _motion(self, number: int, *, is_last: bool) -> FlowPair | None:
        """From frame ``number`` to the next: roughly, and at last that of frames whose suspects are filled."""
        key = (number, is_last)
        if key not in self._motions:
            first, second = (self._image(at, is_last=is_last)[0] for at in (number, number + 1))
            self._motions[key] = flow_pair(first, second, detail="fine" if is_last else "coarse")
        return self._motions[key]

    def _image(self, number: int, *, is_last: bool) -> tuple[Tensor, Tensor]:
        """Luma of frame ``number``, and 1 where it is its own, ``(H, W)``; at last suspects are filled."""
        luma = self._lumas[number]
        if not is_last:
            return luma, torch.ones_like(luma)
        if number not in self._guesses:
            sides = self._sides(number, is_last=False)
            mask = torch.zeros_like(luma, dtype=torch.bool)
            if sides is not None:
                mask = self._find(luma, sides, LOOSE).mask
                luma = torch.where(mask, (sides[0].seen + sides[1].seen) / 2, luma)
            self._guesses[number] = luma, (~mask).float()
        return self._guesses[number]

    def _sides(self, number: int, *, is_last: bool) -> tuple[_Side, _Side] | None:
        """The neighbours of frame ``number``; None where one is missing, or motion cannot be estimated."""
        if number - 1 not in self._frames or number + 1 not in self._frames:
            return None
        before, after = (self._motion(at, is_last=is_last) for at in (number - 1, number))
        if before is None or after is None:
            return None
        return (
            self._side(number, number - 1, before.reversed(), is_last=is_last),
            self._side(number, number + 1, after, is_last=is_last),
        )

    def _side(self, number: int, other: int, motion: FlowPair, *, is_last: bool) -> _Side:
        image, own = self._image(other, is_last=is_last)
        moved = warp_to(image, motion.forward)
        inside = consistency_error(motion).isfinite().float()
        match = match_brightness(self._lumas[number], moved, inside)
        weight = sample_bilinear(own[None], *pixel_positions(motion.forward))[0]
        return _Side(
            frame=self._frames[other],
            flow=motion.forward,
            seen=match.apply(moved),
            gain=float(match.gain),
            offset=float(match.offset),
            weight=(weight > _CLEAN).float() + _LEAST_WEIGHT,
        )

    def _find(self, luma: Tensor, sides: tuple[_Side, _Side], share: float) -> Spots:
        return find_spots(
            luma,
            sides[0].seen,
            sides[1].seen,
            sensitivity=self._options.sensitivity,
            largest_px=self._options.largest_spot * min(luma.shape),
            share=share,
        )

    def _spots_of(self, number: int) -> Spots | None:
        if number not in self._spots:
            sides = self._sides(number, is_last=True)
            self._spots[number] = None if sides is None else self._find(self._lumas[number], sides, STRICT)
        return self._spots[number]

    def _repair(self, number: int) -> VideoFrame:
        frame, spots, sides = self._frames[number], self._spots_of(number), self._sides(number, is_last=True)
        labels, num_spots = torch.zeros(frame.height, frame.width, dtype=torch.int32), 0
        if spots is not None:
            distances = [
                step for step in range(-_PATH_FRAMES, _PATH_FRAMES + 1) if step and number + step in self._frames
            ]
            found = {step: self._spots_of(number + step) for step in distances}
            kept = without_the_scene(spots, {step: other for step, other in found.items() if other is not None})
            labels, num_spots = torch.from_numpy(kept.labels) * kept.mask, int(kept.is_sound.sum())
        findings = {
            **frame.findings,
            "dust_share": float((labels > 0).float().mean()),
            "dust_spots": float(num_spots),
        }
        if self._options.show == "mask":
            return replace(frame, planes=_show(frame, labels), findings=findings)
        planes = tuple(plane.float() for plane in frame.planes)
        if sides is not None and bool(labels.any()):
            planes = tuple(_fill(frame, at, labels, sides) for at in range(len(planes)))
        return replace(frame, planes=planes, findings=findings)


def _labels_of_plane(frame: VideoFrame, number: int, labels: Tensor) -> Tensor:
    """``labels`` ``(H, W)`` on the samples of a plane: of those that a sample belongs to, the highest."""
    if not frame.layout.is_chroma(number):
        return labels
    block = (1 << frame.layout.chroma_shift_y, 1 << frame.layout.chroma_shift_x)
    return torch.nn.functional.max_pool2d(labels.float()[None, None], block, ceil_mode=True)[0, 0].to(torch.int32)


def _is_alpha(frame: VideoFrame, number: int) -> bool:
    return frame.layout.has_alpha and number == frame.layout.num_planes - 1


def _fill(frame: VideoFrame, number: int, labels: Tensor, sides: tuple[_Side, _Side]) -> Tensor:
    """A plane of ``frame`` whose spots are filled from both sides, without a step at their edges."""
    plane = frame.planes[number].float()
    if _is_alpha(frame, number):
        return plane
    size_yx = (int(plane.shape[0]), int(plane.shape[1]))
    spots = _labels_of_plane(frame, number, labels)
    weights = [torch.nn.functional.adaptive_avg_pool2d(side.weight[None], size_yx)[0] for side in sides]
    fill = sum((w * side.plane(number, size_yx) for w, side in zip(weights, sides, strict=True)), torch.zeros(size_yx))
    fill = fill / (weights[0] + weights[1])
    fill += ring_offsets(plane.cpu() - fill, spots)
    return torch.where(spots.to(plane.device) > 0, fill.to(plane.device), plane)


def _show(frame: VideoFrame, labels: Tensor) -> tuple[Tensor, ...]:
    """The mask as planes: white on black."""
    planes = []
    for number, plane in enumerate(frame.planes):
        is_chroma = frame.layout.is_chroma(number)
        base, span = code_range(frame.layout, frame.color.full_range, is_chroma)
        mask = torch.full_like(plane, base, dtype=torch.float32)
        if not is_chroma:
            mask += span * (labels > 0).to(plane.device)
        planes.append(plane.float() if _is_alpha(frame, number) else mask)
    return tuple(planes)


class Dust:
    """Fills spots that one frame alone has from the frames beside it; all other pixels stay."""

    def __init__(self, geometry: Geometry, options: DustOptions) -> None:
        self._geometry, self._options = geometry, options

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: each frame's neighbours tell."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        window = _Window(self._options)
        for frame in frames:
            check_size(frame, self._geometry)
            window.push(frame)
            yield from window.ready(is_over=False)
        yield from window.ready(is_over=True)


@dataclass(frozen=True)
class PreparedDust(Prepared[DustOptions]):
    """`Dust` with its options."""

    @property
    def capabilities(self) -> Capabilities:
        """Two frames on each side to know what moves, and two more to know these."""
        return Capabilities("observation-model", halo_frames=_HALO, keeps_size=True)

    def open(self, geometry: Geometry) -> Dust:
        """See `Prepared`."""
        return Dust(geometry, self.options)


def prepare_dust(geometry: Geometry, options: DustOptions, device: str) -> PreparedDust:
    """See `vsr.methods.method.Method`."""
    return PreparedDust(options, device)
