"""What a run tells while it goes and when it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Event", "Figures", "OnProgress", "TrainingOutcome", "TrainingProgress", "heard"]


@dataclass(frozen=True)
class Figures:
    """A measurement on all validation images."""

    psnr_y: float
    """Mean over the images, dB; see `vsr.evaluation.protocol`."""
    ssim_y: float
    images: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """PSNR and SSIM by ``SET/IMAGE``."""


@dataclass(frozen=True)
class TrainingProgress:
    """Reported every few steps."""

    step: int
    """Steps done."""
    steps: int
    """Steps in all."""
    loss: float
    """Mean since the last time."""
    rate: float
    """Learning rate."""
    steps_per_second: float
    eta_seconds: float
    network_share: float
    """Of the time of steps, the network's own arithmetic."""
    figures: Figures | None = None
    """If it was measured after this very step."""
    note: str = ""
    """Something to know, in words: what was left out, where a run goes on."""


@dataclass(frozen=True)
class TrainingOutcome:
    """What is there at the end."""

    out: Path
    weights: Path
    """For ``vsr upscale --method``."""
    card: Path
    steps: int
    figures: Figures | None
    """Of the weights; None without validation images."""
    bicubic: Figures | None
    """Of bicubic interpolation of the same images."""
    seconds: Mapping[str, float]
    """By phase."""
    network_share: float
    was_done: bool = False
    """Whether nothing was left to do."""


OnProgress = Callable[[TrainingProgress], None]

Event = TrainingProgress | TrainingOutcome


def heard(events: Generator[Event], on_progress: OnProgress | None) -> TrainingOutcome:
    """Follow a run to its end; what it tells goes to ``on_progress``, the last is given back."""
    outcome = None
    with closing(events):
        for event in events:
            if isinstance(event, TrainingOutcome):
                outcome = event
            elif on_progress is not None:
                on_progress(event)
    assert outcome is not None
    return outcome
