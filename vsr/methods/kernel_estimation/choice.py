"""Where the kernel of a shot comes from, as the user chose: a file of weights, or an estimator and its budget."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vsr.errors import InputError, UsageError, nearest
from vsr.methods.kernel_estimation import KERNEL_ESTIMATORS
from vsr.methods.method import Adaptation
from vsr.networks.locating import find_weights
from vsr.observation.block_kernels import kernel_widths, read_kernel

__all__ = ["KernelChoice", "check_kernel_options", "choose_kernel", "kernel_findings"]

_MOST_STEPS = 100_000


def check_kernel_options(kernel: str, steps: int | None, prior: str | None) -> None:
    """Raise `UsageError` for a budget or a prior that ``kernel`` has no use for, or a budget of nothing."""
    row = KERNEL_ESTIMATORS.get(kernel)
    if steps is not None:
        if not 1 <= steps <= _MOST_STEPS:
            raise UsageError(f"kernel_steps is {steps}; allowed are 1 to {_MOST_STEPS}")
        if row is None or not row.steps:
            learning = ", ".join(name for name, row in KERNEL_ESTIMATORS.items() if row.steps)
            raise UsageError(f"kernel={kernel} takes no kernel_steps; these do: {learning}")
    if prior is not None and (row is None or row.prior_scale(2) is None):
        using = ", ".join(name for name, row in KERNEL_ESTIMATORS.items() if row.prior_scale(2) is not None)
        raise UsageError(f"kernel={kernel} takes no kernel_prior; these do: {using}")


@dataclass(frozen=True)
class KernelChoice:
    """A kernel of the user's, or what estimates one for each shot. Can be pickled."""

    scale: int
    given: tuple[tuple[float, ...], ...] | None = None
    """The user's."""
    estimator: str | None = None
    """Row of `KERNEL_ESTIMATORS`."""
    steps: int = 0
    prior_file: str | None = None
    prior_digest: str | None = None

    @property
    def is_surveyed(self) -> bool:
        """Whether it rests on the estimates of the source."""
        return self.estimator == "survey"

    def key(self) -> Mapping[str, Any]:
        """What decides the kernel besides options and frames."""
        digest = None if self.given is None else hashlib.sha256(repr(self.given).encode()).hexdigest()
        return {"kernel": digest, "kernel_prior": self.prior_digest}

    @classmethod
    def of(cls, scale: int, kernel: Tensor) -> KernelChoice:
        """That kernel ``(n, n)``."""
        return cls(scale, tuple(tuple(row) for row in kernel.tolist()))

    def learn(self, lumas: Sequence[Tensor], restorer: nn.Module | None = None) -> dict[str, Tensor]:
        """``kernel`` ``(n, n)`` of a shot's frames ``(h, w)`` in 0…1; nothing where they do not tell it.

        ``restorer``: the network that is to have it, which is its own estimator where no other weights are chosen.
        """
        if self.estimator is None:
            return {}
        row = KERNEL_ESTIMATORS[self.estimator]
        prior = restorer
        if self.prior_file is not None:
            needed = row.prior_scale(self.scale)
            assert needed is not None, "a prior is chosen only where there is use for one"
            prior, _ = row.load(self.prior_file, needed)
        frames = [luma.detach().float().cpu() for luma in lumas]
        kernel = row.estimate(frames, self.scale, steps=self.steps, prior=prior) if frames else None
        return {} if kernel is None else {"kernel": kernel}

    def kernel(self, adaptation: Adaptation) -> Tensor | None:
        """The kernel ``(n, n)`` for a shot; None where there is none."""
        return adaptation.get("kernel") if self.given is None else torch.tensor(self.given)

    def words(self, option: str) -> str:
        """For the plan; ``option`` is what the user typed."""
        if self.estimator is None:
            return f"kernel of {option}"
        row = KERNEL_ESTIMATORS[self.estimator]
        if not row.steps:
            return f"kernel estimated for each shot ({self.estimator})"
        seconds = max(1, round(self.steps * row.seconds_a_step))
        return f"kernel estimated for each shot ({self.estimator}, {self.steps} steps, about {seconds} s on one core)"


def choose_kernel(kernel: str, steps: int | None, prior: str | None, scale: int) -> KernelChoice | None:
    """The choice that settings mean for one ``scale``; None for ``auto``.

    Raises `InputError` for a file that is no kernel, `ModelError` for a prior that is missing or is none.
    """
    if kernel == "auto":
        return None
    if kernel not in KERNEL_ESTIMATORS:
        path = Path(kernel).expanduser()
        if not path.suffix and not path.exists():
            known = ", ".join(["auto", *KERNEL_ESTIMATORS])
            meant = nearest(kernel, KERNEL_ESTIMATORS)
            raise InputError(f"kernel={kernel}: neither an estimator nor a file{meant}; estimators: {known}")
        return KernelChoice.of(scale, read_kernel(path, scale))
    row = KERNEL_ESTIMATORS[kernel]
    needed = row.prior_scale(scale)
    if needed is None:
        return KernelChoice(scale, estimator=kernel, steps=steps or row.steps)
    name = row.usual_prior if prior is None else prior
    _, digest = row.load(name, needed)
    files = find_weights(name)
    file = dict(files).get(needed, files[0][1])
    return KernelChoice(scale, None, kernel, steps or row.steps, str(file.absolute()), digest)


def kernel_findings(adaptation: Adaptation, scale: int) -> dict[str, float]:
    """Widths of the kernel that was estimated for a shot, in input pixels; empty where none was."""
    if "kernel" not in adaptation:
        return {}
    along, across, _ = kernel_widths(adaptation["kernel"])
    return {"kernel_along_px": along / scale, "kernel_across_px": across / scale}
