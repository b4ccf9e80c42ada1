"""What a method makes of a cell, and how good that is. All figures are of luma, rounded to 8 bits."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from footage.cells import Cell
from footage.recording import record
from vsr.errors import UsageError, nearest
from vsr.evaluation.perceptual import Perceptual
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.media.vmaf import VmafRun
from vsr.methods import Geometry, find_method, is_network, restore_shot
from vsr.metrics import psnr, ssim, temporal_psnr
from vsr.networks import available_scales
from vsr.pipeline.settings import method_options, parse_assignment

CPU = torch.device("cpu")
CROP_PX = 8
"""Left out on every side for PSNR, SSIM and temporal PSNR."""

_VIDEO = ColorSpec(1, 1, 1, full_range=False)


@dataclass(frozen=True)
class Method:
    """A method with settings."""

    label: str
    """As the user wrote it: ``NAME``, ``NAME:KEY=VALUE,KEY=VALUE``, or ``NAME:LEVEL`` for ``quality=LEVEL``."""
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def has(self, scale: int) -> bool:
        """Whether it is made for the scale: networks without weights for it would be shrunk from a larger one."""
        return not is_network(self.name) or scale in (available_scales(self.name) or (scale,))


def parse_method(text: str) -> Method:
    """Raises `UsageError` for names and settings that nothing has."""
    if is_network(text):
        return Method(text, text)
    name, _, rest = text.partition(":")
    parts = [part for part in rest.split(",") if part]
    settings = dict(parse_assignment(part if "=" in part else f"quality={part}") for part in parts)
    known = [option.name for option in dataclasses.fields(find_method(name).options_type)]
    for key in settings:
        if key not in known:
            raise UsageError(f"{name} has no setting {key!r}{nearest(key, known)}; it has {', '.join(known)}")
    method_options(name, settings)
    return Method(text, name, settings)


@dataclass(frozen=True)
class Score:
    """How near a result is to the ground truth."""

    psnr_y: float
    """dB, over all pixels of all frames."""
    ssim_y: float
    """Mean of all frames."""
    temporal_psnr: float
    """dB, of the changes from frame to frame against the true changes."""
    grid_ratio: float
    """Steps across the borders of the input's pixels over those inside; see `grid_ratio`."""
    seconds: float
    """CPU time a frame, all threads; what opens a method's files is left out."""
    lpips: float | None = None
    vmaf: float | None = None


def grid_ratio(frames: Tensor, scale: int) -> float:
    """How much a grid of the input's pixels shows in ``(..., H, W)``: 1 not at all, infinite for repeated pixels.

    The mean absolute step between neighbours across a border of ``scale`` × ``scale`` blocks, over the mean of the
    other steps, along each axis; the mean of both. 1 for constant images.
    """
    ratios = []
    for axis in (-2, -1):
        steps = frames.double().diff(dim=axis).abs().movedim(axis, 0).flatten(1).mean(1)
        on_border = torch.arange(1, len(steps) + 1) % scale == 0
        across, inside = float(steps[on_border].mean()), float(steps[~on_border].mean())
        ratios.append(across / inside if inside else 1.0 if not across else math.inf)
    return sum(ratios) / len(ratios)


@dataclass(frozen=True)
class Judge:
    """What is measured of cells, and on how much of them."""

    num_frames: int
    crop: tuple[int, int] | None
    """Width and height of the middle that is measured; None: everything."""
    perceptual: Perceptual | None = None
    with_vmaf: bool = False

    def scores(self, cell: Cell, methods: list[Method]) -> tuple[list[Score], tuple[int, int, int]]:
        """One score a method, in order; number of frames, their width and their height."""
        hr = cell.source.frames(self.num_frames, self.crop)
        small = record(hr, cell.shrinking, cell.treatment, cell.scale, cell.seed)
        scores = []
        for method in methods:
            made, seconds = restored(method, small, cell.scale)
            scores.append(self.score(made, torch.from_numpy(hr), cell.scale, seconds))
        count, height, width = hr.shape
        return scores, (count, width, height)

    def score(self, made: Tensor, hr: Tensor, scale: int, seconds: float) -> Score:
        """Of ``(T, H, W)`` unrounded luma codes; ``hr`` is uint8, two frames at least."""
        made = made.round().clamp(0, 255)
        return Score(
            psnr_y=psnr(made, hr, crop=CROP_PX),
            ssim_y=sum(ssim(*pair, crop=CROP_PX) for pair in zip(made, hr, strict=True)) / len(made),
            temporal_psnr=temporal_psnr(made[:-1], made[1:], hr[:-1], hr[1:], crop=CROP_PX),
            grid_ratio=grid_ratio(made, scale),
            seconds=seconds,
            lpips=self._lpips(made, hr) if self.perceptual else None,
            vmaf=_vmaf(made, hr) if self.with_vmaf else None,
        )

    def _lpips(self, made: Tensor, hr: Tensor) -> float:
        assert self.perceptual is not None
        first, second = (((frames.float() - 16) * 255 / 219).round().clamp(0, 255) for frames in (made, hr))
        pairs = zip(first, second, strict=True)
        return sum(self.perceptual.measure(a.expand(3, -1, -1), b.expand(3, -1, -1)) for a, b in pairs) / len(made)


def _vmaf(made: Tensor, hr: Tensor) -> float:
    height, width = hr.shape[1:]
    with VmafRun(width, height, 8, threads=1) as run:
        for pair in zip(made, hr, strict=True):
            run.push(*(plane.numpy() for plane in pair))
        scores = run.finish()
    return sum(score.vmaf for score in scores) / len(scores)


def restored(method: Method, small: NDArray[np.uint8], scale: int) -> tuple[Tensor, float]:
    """``(T, h, w)`` luma as one shot → ``(T, h · scale, w · scale)`` unrounded, and seconds of CPU time a frame."""
    height, width = small.shape[1:]
    geometry = Geometry(width, height, width * scale, height * scale)
    prepared = find_method(method.name).prepare(geometry, method_options(method.name, method.settings), "cpu")
    frames = [
        VideoFrame((torch.from_numpy(luma.copy()),), LAYOUTS["gray"], _VIDEO, number, number, Fraction(1, 25))
        for number, luma in enumerate(small)
    ]
    began = time.process_time()
    made = [frame.planes[0] for frame in restore_shot(prepared, geometry, frames)]
    return torch.stack(made), (time.process_time() - began) / len(frames)
