"""What an evaluation asks and finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

__all__ = ["Evaluation", "ItemScore", "OnStep", "Scores", "SetScore", "Step", "mean_scores"]


@dataclass(frozen=True)
class Scores:
    """How good an image is, or the images of a clip or of a set in the mean."""

    psnr_y: float
    """PSNR on BT.601 luma in dB; infinite for equal images."""
    ssim_y: float
    """SSIM on BT.601 luma."""
    lr_psnr: float
    """PSNR in dB of the result, downscaled again, against the small image that was given."""
    seconds: float
    """Time that the method took for an image."""
    temporal_psnr_y: float | None = None
    """PSNR of the changes from frame to frame, in dB; None for single images."""
    lpips: float | None = None
    """Learned perceptual distance, lower is closer; None without weights for it."""
    diversity: float | None = None
    """Diversity score of several samples, in per cent; None where none were asked for, or the method makes one."""

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None and math.isnan(value):
                raise ValueError(f"{one.name} is not a number")


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Field by field; what some lack is the mean of the others. Raises `ValueError` for none."""
    if not scores:
        raise ValueError("no scores to average")
    means: dict[str, float | None] = {}
    for one in fields(Scores):
        known = [value for value in (getattr(score, one.name) for score in scores) if value is not None]
        means[one.name] = sum(known) / len(known) if known else None
    return Scores(**means)  # type: ignore[arg-type]  # the required ones are never None


@dataclass(frozen=True)
class ItemScore:
    """Scores of one image, or of one clip: the means of its frames."""

    name: str
    """Of its file, without the extension."""
    num_frames: int
    """1 for an image."""
    scores: Scores


@dataclass(frozen=True)
class SetScore:
    """One method at one scale on one set."""

    method: str
    """As it was asked for."""
    description: str
    """What it is, in words."""
    digest: str
    """Of the weights, or of the settings of methods without weights."""
    scale: int
    data: str
    """Name of the set."""
    items: tuple[ItemScore, ...]
    """In order of their names."""

    @property
    def mean(self) -> Scores:
        """Mean over the items; a clip counts as one, however long."""
        return mean_scores([item.scores for item in self.items])


@dataclass(frozen=True)
class Evaluation:
    """All that was measured, and how."""

    results: tuple[SetScore, ...]
    """For every method, scale and set, in the order asked for."""
    protocol: Mapping[str, str]
    """Rules by which it was measured, in words."""
    environment: Mapping[str, str]
    """Versions and device."""


@dataclass(frozen=True)
class Step:
    """How far an evaluation is."""

    done: int
    """Images and clips that are scored, over all methods and scales."""
    total: int
    found: int
    """How many of ``done`` an earlier run had scored."""
    label: str
    """What was scored last; empty at the start."""


OnStep = Callable[[Step], None]
"""Hears of every step, in the thread that evaluates."""
