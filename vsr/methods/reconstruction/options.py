"""Settings of multi-frame reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vsr.errors import UsageError
from vsr.methods.network.frame import check_compression
from vsr.methods.reconstruction.weighing import Quality
from vsr.solvers import DEFAULT_SOLVER, find_solver

__all__ = ["MultiFrameOptions"]


@dataclass(frozen=True)
class MultiFrameOptions:
    """Settings of multi-frame reconstruction, as `vsr.methods.reconstruction.multi_frame` does it."""

    quality: Quality = "standard"
    """How long to work on a frame: draft, standard or best."""
    degradation: Literal["auto", "BI", "BD", "camera"] = "auto"
    """How the input was made: by a usual camera, bicubic (BI) or Gaussian (BD) shrinking; auto: found."""
    psf_sigma_px: float | None = None
    """Standard deviation of lens and pixel blur, in input pixels; None: the degradation's, found per shot for auto."""
    radius_frames: int | None = None
    """Neighbours used on each side of a frame; None: enough for the scale."""
    regularization: float = 1.0
    """Strength of the smoothness prior, times the solver's usual; higher is softer and cleaner."""
    half: bool = False
    """Solve equations in half precision: quicker on GPUs that are fast at bfloat16, slower on most processors."""
    solver: str = DEFAULT_SOLVER
    """Row of ``SOLVERS`` that inverts the imaging model; it must take any motion."""
    compression_codes: float | None = None
    """Compression error of the input, root mean square in codes of 255; None: estimated for each shot, and taken as
    zero where ``degradation`` is BI or BD."""

    def __post_init__(self) -> None:
        check_compression(self.compression_codes)
        if self.radius_frames is not None and not 0 <= self.radius_frames <= 16:
            raise UsageError(f"radius_frames is {self.radius_frames}; allowed are 0 to 16")
        if self.psf_sigma_px is not None and not 0.0 <= self.psf_sigma_px <= 2.0:
            raise UsageError(f"psf_sigma_px is {self.psf_sigma_px}; allowed are 0 to 2 input pixels")
        if not 0.0 < self.regularization <= 100.0:
            raise UsageError(f"regularization is {self.regularization}; allowed are values above 0, to 100")
        spec = find_solver(self.solver)
        if spec.requires != "any":
            raise UsageError(f"solver {self.solver} needs frames that are shifted as a whole; video moves otherwise")

    @property
    def assumed_degradation(self) -> str:
        """A name of `vsr.observation.DEGRADATIONS`."""
        return "camera" if self.degradation == "auto" else self.degradation
