"""The degradation that a run learns before its first step, kept in the folder of the run."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from torch import Tensor

from vsr.errors import InputError, ModelError
from vsr.networks.files import read_safetensors
from vsr.training.checkpoint import write_tensors
from vsr.training.collectives import wait_for_all
from vsr.training.degradations import Chain, Fitted, Learnt
from vsr.training.unpaired.fitting import PATCH_PX, fit_degradation
from vsr.training.unpaired.generators import Shrinker

__all__ = ["DEGRADATION", "learn_degradation"]

DEGRADATION = "degradation.safetensors"
"""In the folder of a run."""


def learn_degradation(
    chain: Chain, clean: Sequence[Tensor], degraded: Sequence[Tensor], folder: Path, *, seed: int, rank: int, world: int
) -> Generator[tuple[int, float], None, Chain]:
    """The chain with what is to be learnt learnt by the first worker, or found in ``folder``; as it is if nothing is.

    Tells (step, loss) as it goes. Raises `InputError` where no clean image is large enough, `ModelError` for a file of
    something else, `MachineError` where it cannot be written.
    """
    for step in chain.steps:
        if not isinstance(step, Learnt):
            continue
        path = folder / DEGRADATION
        if rank == 0 and not path.exists():
            least = step.scale * PATCH_PX
            usable = [clip for clip in clean if min(clip.shape[1:3]) >= least]
            if not usable:
                raise InputError(f"learnt: no clean image has {least} pixels a side, as learning needs")
            shrinker = yield from fit_degradation(
                step.kind, usable, degraded, step.scale, steps=step.training_steps, seed=seed
            )
            write_tensors(path, shrinker.state_dict())
        wait_for_all(world)
        chain = chain.with_step(step, Fitted(_read(path, step.scale)))
    return chain


def _read(path: Path, scale: int) -> Shrinker:
    shrinker = Shrinker(scale)
    try:
        shrinker.load_state_dict(read_safetensors(path)[0])
    except (RuntimeError, KeyError) as error:
        raise ModelError(f"{path}: is no learnt degradation for x{scale}; choose another folder with --out") from error
    return shrinker.eval().requires_grad_(False)
