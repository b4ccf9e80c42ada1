"""How much closer to the ground truth a restored clip is than bicubic interpolation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.metrics import luma_bt601, psnr, ssim
from vsr.observation import resample

__all__ = ["ClipScore", "FrameScore", "bicubic_rgb", "mean_psnr", "score_clip", "verdict"]

_SEEN_DB = 0.5  # what is less is hardly seen
_CROP = 8


@dataclass(frozen=True)
class FrameScore:
    """PSNR in dB and SSIM of one frame against the ground truth, on BT.601 luma."""

    psnr_restored: float
    """Of the restored frame."""
    psnr_bicubic: float
    """Of the recorded frame enlarged with Keys' cubic."""
    ssim_restored: float
    """Of the restored frame."""
    ssim_bicubic: float
    """Of the recorded frame enlarged with Keys' cubic."""


@dataclass(frozen=True)
class ClipScore:
    """Scores of all frames of a clip."""

    frames: Sequence[FrameScore]
    """One for each frame, in order."""
    crop: int
    """Pixels left out on every side."""

    @property
    def mean(self) -> FrameScore:
        """Mean of the frames' scores."""
        count = len(self.frames)
        return FrameScore(
            sum(f.psnr_restored for f in self.frames) / count,
            sum(f.psnr_bicubic for f in self.frames) / count,
            sum(f.ssim_restored for f in self.frames) / count,
            sum(f.ssim_bicubic for f in self.frames) / count,
        )

    @property
    def gain_db(self) -> float:
        """Mean PSNR of the restored clip above that of bicubic enlargement."""
        return self.mean.psnr_restored - self.mean.psnr_bicubic

    @property
    def worst_gain_db(self) -> float:
        """Gain of the frame that gained least."""
        return min((f.psnr_restored - f.psnr_bicubic for f in self.frames), default=math.nan)


def _planar(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def bicubic_rgb(image: NDArray[np.uint8], size_yx: tuple[int, int]) -> NDArray[np.uint8]:
    """``(h, w, 3)`` uint8 enlarged (or shrunk, antialiased) to ``size_yx`` with Keys' cubic."""
    enlarged = resample(_planar(image), size_yx, kernel="bicubic").round_().clamp_(0, 255).to(torch.uint8)
    return enlarged.permute(1, 2, 0).contiguous().numpy()


def score_clip(
    restored: Sequence[NDArray[np.uint8]],
    reference: Sequence[NDArray[np.uint8]],
    recorded: Sequence[NDArray[np.uint8]],
    *,
    crop: int = _CROP,
) -> ClipScore:
    """Score ``(H, W, 3)`` uint8 RGB frames against ``reference`` of the same sizes and smaller ``recorded``.

    Raises `ValueError` if the clips differ in length: a lost or doubled frame must not pass for a bad one.
    """
    if not 0 < len(restored) == len(reference) == len(recorded):
        raise ValueError(f"clips differ in length: {len(restored)}, {len(reference)} and {len(recorded)} frames")
    frames = []
    for ours, true, small in zip(restored, reference, recorded, strict=True):
        baseline = bicubic_rgb(small, (true.shape[0], true.shape[1]))
        target, got, plain = (luma_bt601(_planar(image)) for image in (true, ours, baseline))
        frames.append(
            FrameScore(
                psnr(got, target, crop=crop),
                psnr(plain, target, crop=crop),
                ssim(got, target, crop=crop),
                ssim(plain, target, crop=crop),
            )
        )
    return ClipScore(tuple(frames), crop)


def mean_psnr(
    restored: Sequence[NDArray[np.uint8]], reference: Sequence[NDArray[np.uint8]], *, crop: int = _CROP
) -> float:
    """Mean PSNR in dB of ``(H, W, 3)`` uint8 RGB frames against ``reference``, on BT.601 luma, as in `score_clip`.

    Raises `ValueError` if the clips differ in length.
    """
    if not 0 < len(restored) == len(reference):
        raise ValueError(f"clips differ in length: {len(restored)} and {len(reference)} frames")
    lumas = ([luma_bt601(_planar(image)) for image in pair] for pair in zip(restored, reference, strict=True))
    return sum(psnr(got, target, crop=crop) for got, target in lumas) / len(reference)


def verdict(clip: str, gains_db: Mapping[str, float]) -> str:
    """One sentence on the methods that restored the clip called ``clip``; ``gains_db`` are above bicubic."""
    ranked = sorted(gains_db.items(), key=lambda item: item[1], reverse=True)
    helping = [f"{name} ({gain:+.2f} dB)" for name, gain in ranked if gain >= _SEEN_DB]
    idle = [f"{name} ({gain:+.2f} dB)" for name, gain in ranked if abs(gain) < _SEEN_DB]
    harming = [f"{name} ({gain:+.2f} dB)" for name, gain in ranked if gain <= -_SEEN_DB]
    said = f"{helping[0]} helps{' most' if len(ranked) > 1 else ''}" if helping else "nothing helps"
    said += f", then {_join_words(helping[1:])}" if helping[1:] else ""
    said += f"; little difference with {_join_words(idle)}" if idle else ""
    said += f"; worse with {_join_words(harming)}" if harming else ""
    return f"On the {clip} clip, against bicubic, {said}."


def _join_words(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
