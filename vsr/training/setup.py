"""Everything that is decided and read before the first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from vsr.errors import UsageError
from vsr.inference import device_class, fast_half_types
from vsr.networks import NETWORKS
from vsr.pipeline.job import resolve_device
from vsr.training.config import TrainingConfig
from vsr.training.degradations import Chain, FootageBlur, Learnt, parse_chain
from vsr.training.forms import Start, read_start
from vsr.training.losses import parse_losses
from vsr.training.samples import Plan
from vsr.training.sources import Requested, Sources, read_sources
from vsr.training.teacher import Teacher
from vsr.training.unpaired.fitting import PATCH_PX

__all__ = ["Setup", "prepare", "versions"]

_MARGIN_PX = 16
_FOOTAGE_FRAMES = 9
_WINDOWED_LOSS_PX = {"SSIM": 11, "Content": 16, "Texture": 16, "GAN": 8, "LSGAN": 8, "RaGAN": 8}


@dataclass(frozen=True)
class Setup:
    """A run, ready to begin."""

    config: TrainingConfig
    device: torch.device
    half: torch.dtype | None
    """Of the network's arithmetic; None for float32."""
    threads: int
    sources: Sources
    plan: Plan
    start: Start | None
    teacher: Teacher | None
    measured: Mapping[str, Sequence[float]]
    """What was found out about the data."""
    degraded: Sources | None
    """What a degradation is learnt from, where one is."""

    @property
    def precision(self) -> str:
        """In words."""
        return "float32" if self.half is None else "bfloat16"

    def facts(self, workers: int) -> dict[str, Any]:
        """What decides the weights, besides the configuration."""
        return {
            "data": self.sources.digest,
            **({} if self.degraded is None else {"degraded": self.degraded.digest}),
            "start": None if self.start is None else self.start.digest,
            "teacher": None if self.teacher is None else self.teacher.digest,
            "threads": self.threads,
            "precision": self.precision,
            "workers": workers,
            "device": device_class(str(self.device)),
            "measured": {name: list(values) for name, values in self.measured.items()},
        }


def prepare(config: TrainingConfig, before: Mapping[str, Any] | None) -> Setup:
    """Check everything and read the data; ``before`` is what an earlier part of the run settled.

    Raises `UsageError`, `InputError` or `ModelError` with what is wrong.
    """
    _check(config)
    chain = parse_chain(config.degradations, config.scale)
    device = torch.device(resolve_device(config.device))
    start = None if config.start_from is None else read_start(config.start_from, config.network, config.scale)
    half = _half(config, device)
    teacher = _teacher(config, chain, device, half)
    asked = any(isinstance(step, FootageBlur) and not step.sigmas and not step.footage for step in chain.steps)
    num_frames = max(chain.num_frames, _FOOTAGE_FRAMES if asked else 1)
    degraded = _degraded(config, chain)
    sources = read_sources([Path(one) for one in config.data], _request(config, num_frames))
    chain, measured = _with_footage(chain, config, sources)
    threads = config.threads or (int(before["threads"]) if before and "threads" in before else torch.get_num_threads())
    plan = _plan(config, chain)
    return Setup(config, device, half, threads, sources, plan, start, teacher, measured, degraded)


def _degraded(config: TrainingConfig, chain: Chain) -> Sources | None:
    """The images that a degradation is learnt from, at their own size."""
    if not any(isinstance(step, Learnt) for step in chain.steps):
        if config.degraded:
            raise UsageError("degraded: nothing is learnt from it; put `learnt` into the degradations, or leave it out")
        return None
    if not config.degraded:
        raise UsageError(
            "learnt: name folders of images or videos like those to be restored, with --set degraded=FOLDER"
        )
    requested = replace(_request(config, 1), scale=1, patch_px=PATCH_PX, sizes=(1.0,))
    return read_sources([Path(one) for one in config.degraded], requested)


def _request(config: TrainingConfig, num_frames: int) -> Requested:
    return Requested(
        scale=config.scale,
        patch_px=config.patch_px,
        sizes=config.sizes,
        num_frames=num_frames,
        shots_per_video=config.shots_per_video,
        shot_px=config.shot_px,
        seed=config.seed,
    )


def _check(config: TrainingConfig) -> None:
    side = config.patch_px * config.scale
    for name in parse_losses(config.loss):
        least = _WINDOWED_LOSS_PX.get(name, 1)
        if side < least:
            raise UsageError(f"patches of {side} pixels are too small for the loss {name}, which needs {least}")
    if config.supervision and not _has_outputs_on_the_way(config):
        raise UsageError(f"supervision: {config.network} has no results on the way; memnet, drcn and srfbn have")
    region = config.region_px
    if region is not None and region < config.patch_px:
        raise UsageError(f"region_px = {region} is less than a patch, {config.patch_px}")


def _has_outputs_on_the_way(config: TrainingConfig) -> bool:
    with torch.device("meta"):
        return NETWORKS[config.network].build(config.scale).has_outputs_on_the_way


def _teacher(config: TrainingConfig, chain: Chain, device: torch.device, half: torch.dtype | None) -> Teacher | None:
    if not config.teacher:
        return None
    if chain.is_random or chain.num_frames > 1:
        raise UsageError(
            "teacher: its images are made once, so nothing in the degradations may be random or need several frames; "
            "leave it out, or use bicubic alone"
        )
    colour, is_ensemble = NETWORKS[config.network].colour, config.teacher_self_ensemble
    return Teacher(config.teacher, config.scale, colour, device, half, self_ensemble=is_ensemble)


def _half(config: TrainingConfig, device: torch.device) -> torch.dtype | None:
    if config.precision == "auto":
        return torch.bfloat16 if "bfloat16" in fast_half_types(device) else None
    return torch.bfloat16 if config.precision == "bfloat16" else None


def _plan(config: TrainingConfig, chain: Chain) -> Plan:
    usual = config.patch_px * (2 if config.reuse > 1 else 1) + _MARGIN_PX
    return Plan(
        chain=chain,
        scale=config.scale,
        colour=NETWORKS[config.network].colour,
        patch_px=config.patch_px,
        region_px=config.region_px or usual,
        batch=config.batch,
        reuse=config.reuse,
        augment=config.augment,
        contrast=config.contrast,
        seed=config.seed,
        teacher_share=config.teacher_share if config.teacher else 0.0,
    )


def _with_footage(
    chain: Chain, config: TrainingConfig, sources: Sources
) -> tuple[Chain, Mapping[str, Sequence[float]]]:
    """The chain with the blur of the footage filled in, and the widths found."""
    found: dict[str, Sequence[float]] = {}
    for step in chain.steps:
        if not isinstance(step, FootageBlur) or step.sigmas:
            continue
        shots = sources.shots
        if step.footage:
            shots = read_sources([Path(one) for one in step.footage], _request(config, _FOOTAGE_FRAMES)).shots
        new = step.measured(shots)
        chain, found["footage-blur.sigmas"] = chain.with_step(step, new), new.sigmas
    return chain, found


def versions() -> dict[str, str]:
    """Of what the weights rest on."""
    return {"vsr": version("vsr"), "torch": str(torch.__version__)}
