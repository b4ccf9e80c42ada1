"""How far a frame's own samples lead those of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from vsr.networks import Source

__all__ = ["ANCHORED", "EVEN", "LEVELS", "Leading", "Level", "Motion", "Quality", "Weighing", "suited"]


@dataclass(frozen=True)
class Weighing:
    """Prior weights of a shot's frames, before their samples are looked at."""

    own_confidence: float
    """Confidence in the frame's own samples; a neighbour's have 1 at most."""
    refines_motion: bool
    """Whether neighbours' samples are moved to where they agree with the image so far."""
    carried_weight: float
    """Weight of what earlier frames showed, times the variance of noise: 2000 is 0.05 of a sample at sigma 5e-3."""
    dense_reluctance: float
    """Times the usual gain that dense flow must bring over the camera's motion; see `global_then_dense`."""
    guess_weight: float
    """Of what the frame alone lets expect of each pixel at ×2, as a sample's weight; it counts more where samples
    repeat one another, less where they lie between one another (`vsr.methods.reconstruction.reconstruct`)."""
    defect: float
    """Times Huber's bound beyond which a sample counts as a defect; see `vsr.solvers.huber_btv`."""
    shares_guess: bool = True
    """Whether the pixels of one sample share the weight of the guess beyond ×2, or each has all of it."""
    is_even: bool = False
    """Whether single frames of the shot were found not to be relied on."""


ANCHORED = Weighing(
    own_confidence=10.0, refines_motion=True, carried_weight=2000.0, dense_reluctance=1.0, guess_weight=0.0, defect=8.0
)
"""The frame's own samples are where they are, a neighbour's only about there: right wherever samples are what the model
says. Confidence leaves out wrong motion already, what is far off is mostly aliasing."""

EVEN = Weighing(
    own_confidence=2.0,
    refines_motion=False,
    carried_weight=0.0,
    dense_reluctance=2.5,
    guess_weight=0.0,
    defect=1e9,
    is_even=True,
)
"""All frames count nearly alike: for frames so aliased or sharpened that each one alone shows its own grid. Whatever
keeps to the frame, or moves others to agree with it, keeps the grid; dense flow follows the aliasing."""


Leading = Literal["interpolation", "frame", "frames"]
"""What leads: nothing that was learnt, a network that sees the frame alone, or one that remembers those before."""

_CLEAN_CODES, _COMPRESSED_CODES = 1.0, 3.5  # error of compression up to which, and from which, frames are weighed so
_LEAST_DETAIL_CODES = 1.0  # reckoned with at least: rounding and noise alone look like some
_LEADS: Mapping[Leading, tuple[float, float]] = MappingProxyType(
    {"interpolation": (0.1, 0.5), "frame": (0.5, 1.0), "frames": (1.0, 4.0)}
)  # weight of the guess where nothing was compressed; added to it, by the doubt
_CLEAN_OWN_CONFIDENCE_LED = 2.0  # confidence in a frame's own samples where a network leads and nothing was compressed
_COMPRESSED_OWN_CONFIDENCE = 1.0


def suited(weighing: Weighing, source: Source | None, detail_codes: float, leading: Leading) -> Weighing:
    """``weighing`` for a shot that came about as ``source`` says; None: as if nothing had been compressed.

    Compression errs most where there is most to see, and alike in all frames that were predicted from one another: the
    larger its error, the more what a frame alone lets expect counts, and the less a frame's own samples lead. What
    samples can bring is the finer detail the shot has, so the error is judged by that: ``detail_codes``, as
    `vsr.methods.reconstruction.calibration.fine_detail` finds it. Where a network is
    ``leading``, its image counts anyway, and noise is an error as well: networks leave it out, interpolation does not.
    One that remembers has used earlier frames' samples, so that its image weighs the same for each pixel at any scale.
    """
    error = 0.0 if source is None else source.compression_codes
    noise = 0.0 if source is None or leading == "interpolation" else source.noise_codes
    share = min(1.0, max(0.0, (error - _CLEAN_CODES) / (_COMPRESSED_CODES - _CLEAN_CODES)))
    own_confidence = weighing.own_confidence
    clean = own_confidence if leading == "interpolation" else min(_CLEAN_OWN_CONFIDENCE_LED, own_confidence)
    own = clean ** (1 - share) * _COMPRESSED_OWN_CONFIDENCE**share
    doubt = (error**2 + noise**2) / max(_LEAST_DETAIL_CODES, detail_codes) ** 2
    base, slope = _LEADS[leading]
    shares = leading != "frames"
    return replace(weighing, own_confidence=own, guess_weight=base + slope * doubt, shares_guess=shares)


Quality = Literal["draft", "standard", "best"]
Motion = Literal["coarse", "fine", "global-then-dense"]
"""Dense flow down to half resolution, to full resolution, or that beyond what the camera's own motion explains."""


_FEW_PIXELS_SCALE = 2.0  # magnification up to which few steps a round do


@dataclass(frozen=True)
class Level:
    """One quality level."""

    frames_per_area: float
    """Neighbours on each side of a frame, for each output pixel per input pixel."""
    most_radius: int
    """Neighbours on each side at most."""
    cold_rounds: int
    """Rounds of confidence and solving from interpolation."""
    warm_rounds: int
    """Rounds from the previous image carried on."""
    led_rounds: tuple[int, int]
    """The same two where a network that remembers leads: its image is nearer to the result to begin with."""
    refines_motion: bool
    """Whether motion is refined against the reconstruction."""
    cg_iterations: tuple[int, int]
    """Solver steps a round: up to ×2; and beyond, or where a network that remembers leads, which leaves one round."""
    motion: Motion
    """How motion is found."""

    def rounds(self, leading: Leading, *, is_warm: bool) -> int:
        """Rounds for a frame; ``is_warm``: it starts from the previous image carried on."""
        rounds = self.led_rounds if leading == "frames" else (self.cold_rounds, self.warm_rounds)
        return rounds[is_warm]

    def steps(self, leading: Leading, scale: float) -> int:
        """Solver steps a round at a magnification: few where rounds are several and a sample becomes few pixels."""
        return self.cg_iterations[leading == "frames" or scale > _FEW_PIXELS_SCALE]

    def radius_frames(self, scale: float) -> int:
        """Neighbours on each side at a magnification: in proportion to what each sample has to become."""
        return max(2, min(self.most_radius, round(self.frames_per_area * scale * scale)))


LEVELS: Mapping[Quality, Level] = MappingProxyType(
    {
        "draft": Level(0.75, 2, 2, 1, (2, 1), False, (6, 6), "coarse"),
        "standard": Level(0.75, 7, 5, 2, (3, 1), True, (5, 8), "global-then-dense"),
        "best": Level(1.0, 8, 8, 3, (5, 2), True, (8, 8), "global-then-dense"),
    }
)
"""What each level does."""
