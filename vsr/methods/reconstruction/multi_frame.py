"""Multi-frame reconstruction: detail that several frames recorded at different sub-pixel positions.

Each frame ``y_k`` is taken for ``D B M_k x + n_k``: the sought image ``x``, moved, blurred, sampled, noisy.
For every frame its neighbours in time are registered to it (dense flow, both ways), and one robust inverse
problem is solved for its luma (`vsr.methods.reconstruction.reconstruct`). The solver starts from the previous result
carried on by the motion, so most of its work is done already. Chroma and colours follow the luma's detail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any, Protocol

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.methods.findings import source_findings
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared, part_of, with_prefix
from vsr.methods.network.colour import network_input
from vsr.methods.reconstruction.calibration import (
    CALIBRATION_FRAMES,
    calibrate_shot,
    fine_detail,
    is_at_rest,
    likely_blur,
)
from vsr.methods.reconstruction.luma import compose_planes, luma_of
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.methods.reconstruction.reconstruct import (
    Imaging,
    Neighbour,
    Reconstruction,
    Solve,
    Start,
    carried,
    reconstruct,
    video_solver,
)
from vsr.methods.reconstruction.weighing import ANCHORED, EVEN, LEVELS, Leading, Weighing, suited
from vsr.methods.reconstruction.window import Seen, Window
from vsr.methods.source import estimate_source, estimator_digest, source_in
from vsr.observation import LinearOperator, degradation_at, reading_blur
from vsr.overlap import Overlap, share
from vsr.registration import FlowPair, flow_pair, global_then_dense
from vsr.registration.flow import MIN_FLOW_SIZE
from vsr.solvers import DEFAULT_SOLVER, find_solver

__all__ = [
    "CHAIN_FRAMES",
    "Guesser",
    "MultiFrame",
    "PreparedMultiFrame",
]

CHAIN_FRAMES = 48
"""Frames after which a result no longer starts from the previous one, counted from a segment's first."""

_GUESS = "guess."
_NOISY_CODES = 1.0  # noise from which several frames of one image are worth more than one
_WARM_UP_FRAMES = 4  # reconstructed ahead of a chain that nothing leads, so that its first frame starts warm
_RUN_BACK_FRAMES = 2  # the same after a shot's first frame, which nothing is ahead of
_GUESSES_AHEAD = 1  # beside the one that is being made
_FOREIGN_ROUNDS = 2  # rounds with solvers that iterate by themselves


class Guesser(Protocol):
    """Expects an image of each frame, which leads the reconstruction."""

    leading: Leading
    """What it goes by."""

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """What the first frames of a shot teach."""
        ...

    def guesses(self, frames: Iterable[VideoFrame], adaptation: Adaptation) -> Iterator[Tensor]:
        """The lumas expected of those of ``frames`` that are not halo, in order, each with what those before showed."""
        ...

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation) -> Iterator[VideoFrame]:
        """The same as whole frames: what is made of ``frames`` without reconstruction."""
        ...


@dataclass(frozen=True)
class _Made:
    """The latest result, from which the next one starts."""

    number: int
    """Of its frame in the window's stream."""
    result: Reconstruction


class MultiFrame:
    """Restore each frame from itself and its neighbours in a sliding window.

    Needs OpenCV for motion. Images too small for motion, and shrinking, are resampled instead.
    """

    def __init__(
        self, geometry: Geometry, options: MultiFrameOptions, device: torch.device, *, guesser: Guesser | None = None
    ) -> None:
        """``guesser``: None where nothing but interpolation is expected."""
        self._geometry, self._options, self._device = geometry, options, device
        self._guesser = guesser
        enlarges = min(geometry.scale_x, geometry.scale_y) >= 1.0
        self._reconstructs = enlarges and min(geometry.width, geometry.height) >= MIN_FLOW_SIZE

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """``psf_sigma_px`` where it is not given and was found; ``is_even``: whether all frames count nearly alike.

        ``detail_codes``: how much fine detail frames have; ``source``: estimates of how the shot came about;
        ``guess.`` and what leads the reconstruction learnt, ``is_at_rest``: whether that alone makes the result.
        """
        if not frames or not self._reconstructs:
            return NOT_ADAPTED
        lumas = [luma_of(frame, self._device) for frame in frames]
        seen = [network_input(frame, "Y", self._device)[0] for frame in frames]  # in video range, as it was fitted on
        with ThreadPoolExecutor(2, thread_name_prefix="adapt") as pool:
            calibrated = pool.submit(self._calibrate, lumas)
            guessing = None if self._guesser is None else pool.submit(self._guesser.adapt, frames)
            source = estimate_source(seen, self._options.compression_codes)
            detail_codes = fine_detail(seen)
        found, weighing = calibrated.result()
        learnt = {} if guessing is None else dict(with_prefix(guessing.result(), _GUESS))
        learnt["is_even"] = torch.tensor(weighing.is_even)
        learnt["detail_codes"] = torch.tensor(detail_codes, dtype=torch.float64)
        if found is not None:
            learnt["psf_sigma_px"] = torch.tensor(found, dtype=torch.float64)
        if source is not None:
            learnt["source"] = source
        known = source_in(learnt)
        remembers = self._guesser is not None and self._guesser.leading == "frames"
        if remembers and known is not None and known.noise_codes < _NOISY_CODES:
            learnt["is_at_rest"] = torch.tensor(is_at_rest(lumas))
        return learnt

    def _calibrate(self, lumas: Sequence[Tensor]) -> tuple[float | None, Weighing]:
        """The blur, None where it is not found, and what neighbours are worth."""
        options = self._options
        if options.degradation in ("BI", "BD"):
            return None, ANCHORED
        is_given = options.psf_sigma_px is not None or options.degradation != "auto"
        return calibrate_shot(lumas, _find_known_psf(options, self._geometry) if is_given else None)

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One reconstructed frame for each frame that is not halo. See `vsr.methods.method.Restorer`.

        Where the camera stands still other frames show the same points again: they take out noise, where there is
        some, and else the errors of compression that they share count as recorded. A network that leads and remembers
        makes the result by itself then.
        """
        if self._guesser is not None and adaptation.get("is_at_rest", False):
            alone = self._guesser.restore(frames, part_of(adaptation, _GUESS))
            return (replace(frame, findings={**frame.findings, "at_rest": 1.0}) for frame in alone)
        shot = _Shot(self._geometry, self._options, self._device, self._guesser, adaptation)
        return shot.stream(frames, reconstructs=self._reconstructs)


def _scale(geometry: Geometry) -> float:
    area: float = geometry.scale_x * geometry.scale_y
    return max(1.0, math.sqrt(area))


def _find_known_psf(options: MultiFrameOptions, geometry: Geometry) -> float:
    """Standard deviation of the blur before anything is found, in input pixels."""
    if options.psf_sigma_px is not None:
        return options.psf_sigma_px
    return degradation_at(options.assumed_degradation, _scale(geometry)).psf_sigma_px


class _Shot:
    """Reconstruction of frames of one shot, as far as it is known."""

    def __init__(
        self,
        geometry: Geometry,
        options: MultiFrameOptions,
        device: torch.device,
        guesser: Guesser | None,
        adaptation: Adaptation,
    ) -> None:
        self._geometry, self._options, self._device = geometry, options, device
        self._level = LEVELS[options.quality]
        scale = _scale(geometry)
        default_radius = self._level.radius_frames(scale)
        self._radius = default_radius if options.radius_frames is None else options.radius_frames
        self._learnt_by_guesser = part_of(adaptation, _GUESS)
        self._source = source_in(adaptation)
        self._leading: Leading = "interpolation" if guesser is None else guesser.leading
        self._weighing = ANCHORED
        if "is_even" in adaptation:
            weighing = EVEN if adaptation["is_even"] else ANCHORED
            self._weighing = suited(weighing, self._source, float(adaptation["detail_codes"]), self._leading)
        self._guesser = guesser if self._weighing.guess_weight else None
        found = adaptation.get("psf_sigma_px")
        self._psf_sigma_px = _find_known_psf(options, geometry) if found is None else float(found)
        self._imaging = self._make_imaging(scale)
        self._solve = self._make_solve()

    def _make_imaging(self, scale: float) -> Imaging:
        geometry, options, sigma = self._geometry, self._options, self._psf_sigma_px
        scale_yx = (geometry.scale_y, geometry.scale_x)
        blur: LinearOperator = reading_blur((sigma * scale_yx[0], sigma * scale_yx[1]), scale_yx)
        if options.psf_sigma_px is None and options.degradation == "BI":
            blur = reading_blur(None, scale_yx)
        elif options.psf_sigma_px is None and options.degradation == "auto":
            blur = likely_blur(sigma, scale_yx)
        offset_px = degradation_at(options.assumed_degradation, scale).offset_px
        return Imaging((geometry.out_height, geometry.out_width), scale_yx, blur, offset_px)

    def _make_solve(self) -> Solve:
        spec, options, level = find_solver(self._options.solver), self._options, self._level
        if spec.name != DEFAULT_SOLVER:
            usual = spec.options_type()
            return partial(spec, options=replace(usual, regularization=options.regularization * usual.regularization))
        steps = level.steps(self._leading, _scale(self._geometry))
        return video_solver(self._weighing, regularization=options.regularization, cg_iterations=steps)

    def stream(self, frames: Iterable[VideoFrame], *, reconstructs: bool) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo; resampled where nothing ``reconstructs`` it."""
        if self._guesser is None or not reconstructs:
            yield from self._restore(frames, repeat(None), reconstructs=reconstructs)
            return
        frames, led = share(frames)
        guesses = self._guesser.guesses(led, self._learnt_by_guesser)
        with Overlap(guesses, _GUESSES_AHEAD, "guess") as expected:
            yield from self._restore(frames, expected, reconstructs=True)

    def _restore(
        self, frames: Iterable[VideoFrame], guesses: Iterator[Tensor | None], *, reconstructs: bool
    ) -> Iterator[VideoFrame]:
        """See `stream`; ``guesses`` are of the frames that are not halo, None: what interpolation gives."""
        window = Window(self._see(frames), self._radius if reconstructs else 0, _WARM_UP_FRAMES, self._register)
        last: _Made | None = None
        done = 0
        for number in window.advance():
            frame = window[number].frame
            if frame.is_halo:
                continue
            if reconstructs:
                if done % CHAIN_FRAMES == 0:
                    last = self._warm_up(window, number) if self._guesser is None else None
                last = self._reconstruct(window, number, last, next(guesses))
            result = None if last is None else last.result
            yield replace(frame, planes=self._planes(window[number], result), findings=self._findings(result))
            done += 1

    def _see(self, frames: Iterable[VideoFrame]) -> Iterator[Seen]:
        for frame in frames:
            check_size(frame, self._geometry)
            yield Seen(frame, luma_of(frame, self._device))

    def _register(self, first: Tensor, second: Tensor) -> FlowPair | None:
        if self._level.motion == "global-then-dense":
            return global_then_dense(first, second, reluctance=self._weighing.dense_reluctance)
        return flow_pair(first, second, detail=self._level.motion)

    def _warm_up(self, window: Window, number: int) -> _Made | None:
        """The image before frame ``number``, from the few frames before it alone.

        Where the shot begins with that frame it is the image after it, reached backwards from the frames after.
        """
        ahead: range = range(max(0, number - _WARM_UP_FRAMES), number)
        last = None
        for other in ahead or reversed(range(1, min(_RUN_BACK_FRAMES, window.newest) + 1)):
            last = self._reconstruct(window, other, last, None)
        return last

    def _reconstruct(self, window: Window, number: int, last: _Made | None, guess: Tensor | None) -> _Made:
        level, luma = self._level, window[number].luma
        motions = window.motions_to(number)
        neighbours = [Neighbour(window[other].luma, motion) for other, motion in sorted(motions.items())]
        back = motions.get(last.number) if last is not None else None
        enlarged = self._imaging.enlarged(luma)
        guess = enlarged if guess is None else guess
        if last is None or back is None:
            start, unrefined = Start(guess), 1
        else:
            start, unrefined = carried(last.result.image, back.reversed(), luma, self._imaging, enlarged), 0
        rounds = level.rounds(self._leading, is_warm=not unrefined)
        if self._options.solver != DEFAULT_SOLVER:
            rounds = min(rounds, _FOREIGN_ROUNDS)
        unrefined = unrefined if level.refines_motion else rounds
        result = reconstruct(
            luma,
            neighbours,
            start,
            self._imaging,
            self._solve,
            rounds=rounds,
            unrefined_rounds=unrefined,
            guess=guess,
            weighing=self._weighing,
            half=self._options.half,
        )
        return _Made(number, result)

    def _findings(self, made: Reconstruction | None) -> dict[str, float]:
        if made is None:
            return {}
        return {
            "noise_sigma": made.noise_sigma,
            "frames_used": made.frames_used,
            "confidence": made.confidence,
            "sample_spread_px": made.sample_spread_px,
            "psf_sigma_px": self._psf_sigma_px,
            "evenly_weighted": float(self._weighing.is_even),
            "guess_weight": self._weighing.guess_weight,
            **({"at_rest": 0.0} if self._leading == "frames" else {}),
            **source_findings(self._source),
        }

    def _planes(self, seen: Seen, made: Reconstruction | None) -> tuple[Tensor, ...]:
        reduces_halos = self._options.degradation in ("auto", "camera")
        return compose_planes(seen, made, self._geometry, self._imaging, self._device, reduces_halos=reduces_halos)


@dataclass(frozen=True)
class PreparedMultiFrame(Prepared[MultiFrameOptions]):
    """Reconstruction from several frames, in which nothing learnt leads."""

    @property
    def capabilities(self) -> Capabilities:
        """Twice the window's radius, which frames near the ends of a shot reach on one side, and the warm-up.

        Each frame starts from the result before it, which is reset every `CHAIN_FRAMES`. First frames tell the blur and
        what frames are worth, where it is not known how they came to be.
        """
        options = self.options
        radius = LEVELS[options.quality].most_radius if options.radius_frames is None else options.radius_frames
        is_known = options.degradation in ("BI", "BD") and options.compression_codes is None
        return Capabilities(
            evidence="observation-model",
            halo_frames=2 * radius + _WARM_UP_FRAMES,
            chain_frames=CHAIN_FRAMES,
            adapt_frames=0 if is_known else CALIBRATION_FRAMES,
            bytes_per_pixel=700,
        )

    def key(self) -> Mapping[str, Any]:
        """What tells the source."""
        return {"estimator": estimator_digest()}

    def describe(self) -> Mapping[str, Any]:
        """What tells the source."""
        return {"model": None, "estimator": estimator_digest()}

    def open(self, geometry: Geometry) -> MultiFrame:
        """See `Prepared`."""
        return MultiFrame(geometry, self.options, self.torch_device)
