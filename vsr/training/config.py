"""The configuration of a training run: one flat YAML file, every key described under its field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vsr.errors import UsageError, nearest
from vsr.networks import NETWORKS

__all__ = ["NOT_DECIDING", "TrainingConfig", "load_config", "make_config", "stage_configs"]

_MOST_CONTRAST = 10.0
_OF_ALL_STAGES = ("network", "start_from", "curriculum")


class TrainingConfig(BaseModel):
    """Everything that decides what comes out of a run, and a little that does not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    """Row of `NETWORKS`: ``vsr models list``."""
    scale: int = Field(ge=1, le=8)
    """Magnification to train for."""
    name: str | None = Field(None, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Of the weights: ``NAME-xS.safetensors``. None: the network's."""
    start_from: str | None = None
    """Weights to begin with, by name or file; parts that do not fit another scale are initialised at random."""
    curriculum: tuple[dict[str, Any], ...] = Field((), max_length=16)
    """Stages ahead of the recipe itself, each trained from the weights of the one before: keys that differ in it."""
    data: tuple[str, ...] = ()
    """Folders of images or of videos to learn from; each holds one kind. ``--data`` replaces them."""
    degraded: tuple[str, ...] | None = None
    """Folders of images or of videos like those to be restored, for the degradation ``learnt``."""
    validate_on: tuple[str, ...] = ()
    """Folders of images to measure on; none: no figures on the way."""
    degradations: tuple[Any, ...] = ("bicubic",)
    """What makes the images small and worse, in order: names, or ``name: {option: value}``; see docs/training.md."""
    sizes: tuple[float, ...] = Field((1.0,), min_length=1, max_length=16)
    """Sizes at which every image is learnt from, as shares of its own; 1 to 0.5 in steps of 0.1 for few images."""
    patch_px: int = Field(48, ge=4, le=512)
    """Side of a patch of the small image."""
    batch: int = Field(16, ge=1, le=4096)
    """Patches a step, over all workers."""
    augment: bool = True
    """Flip and turn patches at random."""
    contrast: tuple[float, float] = (1.0, 1.0)
    """Least and most factor by which a patch's contrast is changed at random; [0.7, 1.6] tames long runs."""
    reuse: int = Field(1, ge=1, le=256)
    """Steps that draw their patches from the same degraded regions; more spares work where degrading is dear."""
    region_px: int | None = Field(None, ge=8, le=2048)
    """Side of a degraded region, small size. None: a patch and its margin; twice the patch and its margin if reused."""
    shots_per_video: int = Field(16, ge=1, le=4096)
    """Random shots that are taken from each video."""
    shot_px: int = Field(512, ge=32, le=8192)
    """Side of the random window that is kept of a shot."""
    loss: str = "1*L1"
    """Sum of weighted losses: ``1*L1 + 0.001*TV``; see docs/training.md."""
    supervision: float = Field(0.0, ge=0, lt=1)
    """Share of the loss for a network's results on the way (MemNet, DRCN, SRFBN), all alike; 0: the last alone."""
    teacher: tuple[str, ...] = ()
    """Teachers, by name or file, whose output is mixed into the target; needs degradations free of chance.

    Of several, the mean of what they make.
    """
    teacher_share: float = Field(0.5, gt=0, le=1)
    """Share of the teacher's output in the target; the rest is the ground truth."""
    teacher_self_ensemble: bool = True
    """Average what a teacher makes over the eight symmetries, for eight times the work."""
    vgg: str | None = None
    """File with the weights of VGG-19 or VGG-16 for ``Content`` and ``Texture``; None: ``vgg19``, else ``vgg16``, among
    the models."""
    steps: int = Field(10_000, ge=1, le=100_000_000)
    """Changes of the weights."""
    optimiser: Literal["adam", "muon"] = "adam"
    """``muon``: for weights that are matrices of some size, Adam for the rest; about twice as quick a way down."""
    learning_rate: float = Field(1e-3, gt=0, le=1)
    """At its highest."""
    warmup_steps: int = Field(100, ge=0)
    """In which the rate rises to it."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the rate falls after that."""
    decay_every: int = Field(10_000, ge=1)
    """Of ``step``: steps after which the rate is multiplied by ``decay_by``."""
    decay_by: float = Field(0.5, gt=0, le=1)
    """Of ``step``."""
    final_rate: float = Field(0.01, ge=0, le=1)
    """Of ``cosine``: share of ``learning_rate`` that is left at the end."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of Adam."""
    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the exponential moving average (EMA) of weights, which is what is measured and kept; 0: none."""
    clip_norm: float | None = Field(1.0, gt=0)
    """Longest gradient that is followed, over all weights together. None: any."""
    discriminator_rate: float = Field(1e-4, gt=0, le=1)
    """Learning rate of the discriminator, where the loss has an adversarial part."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the network's arithmetic; weights stay in float32. ``auto``: bfloat16 where the hardware is fast at it."""
    channels_last: bool = True
    """Keep channels of a pixel together in memory, which is quicker in half precision."""
    seed: int = Field(1, ge=0)
    """Of everything that is random."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where the network is."""
    threads: int | None = Field(None, ge=1, le=1024)
    """Of torch; None: all cores. Another number gives other rounding."""
    data_workers: int = Field(1, ge=0, le=256)
    """Processes that prepare patches ahead; 0: none, patches are prepared between steps."""
    validate_every: int = Field(1000, ge=1)
    """Steps between measurements."""
    checkpoint_every: int = Field(500, ge=1)
    """Steps between checkpoints."""
    log_every: int = Field(50, ge=1)
    """Steps that one line of the log stands for."""
    keep_pictures: int = Field(3, ge=0, le=100)
    """Validation images that are written, small, made and true side by side."""

    @property
    def weights_name(self) -> str:
        """Of the file of weights that comes out."""
        return f"{self.name or self.network}-x{self.scale}.safetensors"

    @model_validator(mode="after")
    def _possible(self) -> TrainingConfig:
        row = NETWORKS.get(self.network)
        if row is None:
            raise ValueError(f"unknown architecture{nearest(self.network, NETWORKS)}; known: {', '.join(NETWORKS)}")
        if self.scale not in row.scales:
            raise ValueError(f"{self.network} enlarges {', '.join(f'x{one}' for one in row.scales)}, not x{self.scale}")
        if row.family in ("window", "recurrent", "sequence"):
            raise ValueError(f"{self.network} is given several frames, and single frames are learned from here")
        if row.family == "inverse-tone":
            raise ValueError(f"{self.network} makes HDR, and the images learned from here are SDR")
        if self.warmup_steps >= self.steps and self.warmup_steps > 0 and self.steps > 1:
            object.__setattr__(self, "warmup_steps", self.steps // 2)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas must lie between 0 and 1")
        if not 0 < self.contrast[0] <= self.contrast[1] <= _MOST_CONTRAST:
            raise ValueError(f"contrast must be two rising factors above 0 and at most {_MOST_CONTRAST:g}")
        if not all(0 < size <= 1 for size in self.sizes):
            raise ValueError("sizes must lie above 0 and be at most 1")
        return self


NOT_DECIDING = frozenset(
    ["device", "data_workers", "validate_every", "checkpoint_every", "log_every", "keep_pictures", "validate_on"]
)
"""Keys that may change when a run is continued: they do not change the weights."""


def load_config(path: Path, overrides: Mapping[str, Any]) -> TrainingConfig:
    """Read a YAML file, with ``overrides`` on top. Relative folders in the file are taken from where the program runs.

    Raises `UsageError` for a file that cannot be read, unknown keys (with the nearest known one) and values that cannot
    be.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}: must be a list of `key: value` lines")
    return make_config({**values, **overrides}, str(path))


def make_config(values: Mapping[str, Any], place: str) -> TrainingConfig:
    """A configuration from plain values; ``place`` is where they came from, for messages. Raises `UsageError`."""
    known = TrainingConfig.model_fields
    for key in values:
        if key not in known:
            raise UsageError(f"{place}: unknown key {key!r}{nearest(str(key), known)}; docs/training.md has all")
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{place}: {key} must be a finite number, got {value}")
    several = ("data", "degraded", "validate_on", "teacher")
    listed = {key: [values[key]] for key in several if isinstance(values.get(key), str)}
    try:
        config = TrainingConfig.model_validate({**values, **listed})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "network"
        given = "" if first["type"] == "missing" else f" = {_show(first.get('input'), where, values)!r}"
        raise UsageError(f"{place}: {where}{given}: {first['msg'].removeprefix('Value error, ')}") from error
    for number, stage in enumerate(config.curriculum, 1):
        for key in _OF_ALL_STAGES:
            if key in stage:
                raise UsageError(f"{place}: stage {number} of the curriculum: {key} is the same for all stages")
        make_config({**values, "curriculum": [], **stage}, f"{place}: stage {number} of the curriculum")
    return config


def stage_configs(config: TrainingConfig) -> tuple[TrainingConfig, ...]:
    """The configurations of all stages of a curriculum and, as it is, of the recipe itself, in order."""
    given = config.model_dump(exclude={"curriculum"}, exclude_unset=True)
    return (*(make_config({**given, **stage}, "the curriculum") for stage in config.curriculum), config)


def _show(given: Any, where: str, values: Mapping[str, Any]) -> Any:
    return values.get(where) if isinstance(given, Mapping) else given
