"""Patches: which ones a step sees, and how they come about. All follow from the seed and the number of the step.

With no chance in the degradations whole images are downscaled once, as the papers do; else a region is cut, degraded
and patches are drawn from it, without a margin in which its border could be felt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.networks import Colour
from vsr.training.degradations import Chain
from vsr.training.degradations.base import choose
from vsr.training.pairs import as_colour, degraded

__all__ = ["Batch", "Patches", "Plan"]

_MARGIN_PX = 8
_FASTEST_PAN = 2  # small pixels from frame to frame, where a still stands for a clip
_UNMOVED_SHARE = 0.5  # of such clips: a fixed camera sees the same again, and codecs skip it


@dataclass(frozen=True)
class Batch:
    """What one step sees, in 0…1."""

    small: Tensor
    """``(B, C, patch, patch)`` float32."""
    true: Tensor
    """``(B, C, scale·patch, scale·patch)`` float32."""


@dataclass(frozen=True)
class Plan:
    """How patches are drawn."""

    chain: Chain
    scale: int
    colour: Colour
    patch_px: int
    region_px: int
    """Of the small image."""
    batch: int
    """Patches a step, over all workers."""
    reuse: int
    """Steps that share regions."""
    augment: bool
    contrast: tuple[float, float]
    """Least and most factor about a patch's mean."""
    seed: int
    teacher_share: float = 0.0
    """Share of the teacher's output in the target; the rest is the ground truth."""

    @property
    def whole_first(self) -> bool:
        """Whether whole images are downscaled once."""
        return not self.chain.is_random and self.chain.num_frames == 1


def _generator(*parts: int) -> torch.Generator:
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def _turn(image: Tensor, turn: int) -> Tensor:
    """One of the eight symmetries of the square, over the last two axes."""
    flipped = image.flip(-1) if turn >= 4 else image
    return torch.rot90(flipped, turn % 4, (-2, -1)) if turn % 4 else flipped


class Patches:
    """All batches of a run; `at` is a pure function of the step and of which share of the batch is asked for."""

    def __init__(self, clips: Sequence[Tensor], plan: Plan, taught: Sequence[Tensor] = ()) -> None:
        """``clips``: ``(T, H, W, 3)`` uint8 RGB, sides multiples of the scale and at least ``scale · patch_px``.

        ``taught``: with a share of a teacher, what it made of each, ``(C, H, W)`` in 0…255; only where whole images
        are downscaled.
        """
        self._clips, self.plan, self._taught = clips, plan, taught
        self._small: list[Tensor] = []
        if plan.whole_first:
            self._small = [self._degrade(clip[:1], _generator(plan.seed))[0].contiguous() for clip in clips]
        self._regions: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def at(self, step: int, first: int, count: int) -> Batch:
        """Patches ``first`` to ``first + count`` - 1 of the batch of ``step``, counted from 0."""
        make = self._from_whole if self.plan.whole_first else self._from_region
        pairs = [make(step, index) for index in range(first, first + count)]
        small, true = (torch.stack(parts) for parts in zip(*pairs, strict=True))
        return Batch(small / 255, true / 255)

    def _degrade(self, rgb: Tensor, generator: torch.Generator) -> Tensor:
        return degraded(rgb, self.plan.chain, self.plan.colour, generator)

    def _from_whole(self, step: int, index: int) -> tuple[Tensor, Tensor]:
        plan, generator = self.plan, _generator(self.plan.seed, step, index)
        number = choose(len(self._clips), generator)

        def requested(window: tuple[slice, slice]) -> Tensor:
            true = as_colour(self._clips[number][0][window], plan.colour)
            if not plan.teacher_share:
                return true
            return torch.lerp(true, self._taught[number][(..., *window)].float(), plan.teacher_share)

        return self._patch(self._small[number], requested, generator)

    def _from_region(self, step: int, index: int) -> tuple[Tensor, Tensor]:
        """A patch of the region that this and neighbouring steps share."""
        small, true = self._region(step // self.plan.reuse, index)
        generator = _generator(self.plan.seed, 1, step, index)
        return self._patch(small, lambda window: true[(..., *window)], generator)

    def _patch(
        self, small: Tensor, requested: Callable[[tuple[slice, slice]], Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """A random patch of ``small``, and what is ``requested`` where it lies at the large size; both turned alike."""
        patch, scale = self.plan.patch_px, self.plan.scale
        y, x = (choose(side - patch + 1, generator) for side in small.shape[-2:])
        turn = choose(8, generator) if self.plan.augment else 0
        window = (slice(scale * y, scale * (y + patch)), slice(scale * x, scale * (x + patch)))
        given = small[..., y : y + patch, x : x + patch]
        return self._stretch(_turn(given, turn), _turn(requested(window), turn), generator)

    def _stretch(self, small: Tensor, true: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Both with another contrast; unclipped, so that one stays what the other was made of."""
        least, most = self.plan.contrast
        if least == most == 1:
            return small, true
        factor = least * (most / least) ** float(torch.rand((), generator=generator))
        mean = small.mean()
        return torch.lerp(mean, small, factor), torch.lerp(mean, true, factor)

    def _region(self, chunk: int, index: int) -> tuple[Tensor, Tensor]:
        key = (chunk, index)
        if key not in self._regions:
            self._regions = {kept: value for kept, value in self._regions.items() if kept[0] == chunk}
            self._regions[key] = self._new_region(chunk, index)
        return self._regions[key]

    def _new_region(self, chunk: int, index: int) -> tuple[Tensor, Tensor]:
        """A degraded region ``(C, h, w)`` and its ground truth, without margins."""
        plan, generator = self.plan, _generator(self.plan.seed, 2, chunk, index)
        clip = self._clips[choose(len(self._clips), generator)]
        frames = self._moving(clip, generator)
        turn = choose(8, generator) if plan.augment else 0
        frames = _turn(frames.movedim(-1, -3), turn).movedim(-3, -1)
        shown = choose(len(frames), generator)
        small = self._degrade(frames, generator)[shown]
        true = as_colour(frames[shown], plan.colour)
        height, width = small.shape[-2:]
        top, left = (min(_MARGIN_PX, (side - plan.patch_px) // 2) for side in (height, width))
        scale = plan.scale
        inner = small[..., top : height - top, left : width - left]
        outer = true[..., scale * top : scale * (height - top), scale * left : scale * (width - left)]
        return inner.contiguous(), outer.contiguous()

    def _moving(self, clip: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, H, W, 3)`` uint8: a random region of a shot; where several frames of a still are requested, the same
        region or a pan."""
        plan, scale = self.plan, self.plan.scale
        count = plan.chain.num_frames
        side = scale * plan.region_px
        height, width = (min(side, size) for size in clip.shape[1:3])
        if len(clip) >= count:
            first = choose(len(clip) - count + 1, generator)
            y, x = (scale * choose((size - part) // scale + 1, generator) for size, part in
                    zip(clip.shape[1:3], (height, width), strict=True))  # fmt: skip
            return clip[first : first + count, y : y + height, x : x + width]
        fastest = _FASTEST_PAN * scale
        steps = [choose(2 * fastest + 1, generator) - fastest for _ in range(2)]
        if float(torch.rand((), generator=generator)) < _UNMOVED_SHARE:
            steps = [0, 0]
        starts = []
        for size, part, speed in zip(clip.shape[1:3], (height, width), steps, strict=True):
            room = size - part
            speed = max(-(room // max(1, count - 1)), min(room // max(1, count - 1), speed))
            way = speed * (count - 1)
            begin = max(0, -way) + choose(room - abs(way) + 1, generator)
            starts.append([begin + speed * number for number in range(count)])
        return torch.stack([clip[0, y : y + height, x : x + width] for y, x in zip(*starts, strict=True)])
