"""`zssr`: a network for each shot, trained on the shot's own frames.

The blur of the frames is given by the user, or estimated by `vsr.methods.source` or `vsr.methods.kernel_estimation`;
training downscales the frames in the same way. The weights are what `adapt` learns, so the pipeline keeps them beside
the segments: they are trained once a shot. The budget is a number of steps, not a time, so that every machine comes to
the same weights for the same frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.inference import Engine, EngineOptions, Precision, check_tile, measure_load
from vsr.methods.findings import source_findings
from vsr.methods.interpolation import check_size, resample_plane
from vsr.methods.kernel_estimation.choice import KernelChoice, check_kernel_options, choose_kernel, kernel_findings
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared, part_of, with_prefix
from vsr.methods.network.colour import PlaneWriter, network_input
from vsr.methods.network.model import magnification, plan_passes
from vsr.methods.source import estimate_source, estimator_digest, source_in
from vsr.methods.zero_shot.training import LEAST_SIDE_PX, ShotNetwork, train_on_frames
from vsr.networks import Network
from vsr.networks.blocks import enlarge
from vsr.observation.block_kernels import blurred_bicubic_kernel, degrade

__all__ = ["PreparedZeroShot", "ZeroShot", "ZeroShotOptions", "prepare_zero_shot"]

_MOST_STEPS, _MOST_FRAMES, _MOST_ROUNDS = 100_000, 500, 20
_MOST_BLUR_PX, _MOST_NOISE_CODES = 16.0, 255.0
_SECONDS_A_STEP = 0.12  # on one core of a desktop of 2020: for people, decides nothing
_WEIGHTS = "weights."


@dataclass(frozen=True)
class ZeroShotOptions:
    """Settings of `ZeroShot`."""

    training_steps: int = 800
    """Steps of training on each shot."""
    training_frames: int = 16
    """First frames of a shot that are trained on."""
    kernel: str = "auto"
    """How samples came about: auto (Gaussian blur, then bicubic shrinking), a file of a kernel's weights, or what
    estimates one for each shot: survey, psf, directions, kernelgan, kernelgan-fkp, dip, dip-fkp, ikc, kxnet."""
    kernel_steps: int | None = None
    """Steps of estimating the kernel of each shot, for estimators that learn; None: the estimator's usual ones."""
    kernel_prior: str | None = None
    """Weights by name or file for estimators that need some; None: those called fkp, ikc or kxnet."""
    blur_sigma_px: float | None = None
    """Blur ahead of bicubic shrinking, standard deviation in input pixels, as given to the network; None: estimated."""
    noise_codes: float | None = None
    """Noise of the input, standard deviation in codes of 255, as given to the network; None: estimated."""
    back_projections: int = 3
    """Rounds in which the result is brought back to the input through the kernel."""
    self_ensemble: bool = False
    """Average over the eight flips and turns of each image: eight times the work, some tenths of a dB."""
    tile_px: int | None = None
    """Side of the tiles that large images are cut into, in input pixels; None: planned for the device's class."""

    def __post_init__(self) -> None:
        check_tile(self.tile_px)
        for name, least, most in (
            ("training_steps", 1, _MOST_STEPS),
            ("training_frames", 1, _MOST_FRAMES),
            ("back_projections", 0, _MOST_ROUNDS),
        ):
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"{name} is {getattr(self, name)}; allowed are {least} to {most}")
        if self.blur_sigma_px is not None and not 0.0 <= self.blur_sigma_px <= _MOST_BLUR_PX:
            raise UsageError(f"blur_sigma_px is {self.blur_sigma_px}; allowed are 0 (none) to {_MOST_BLUR_PX:g}")
        if self.noise_codes is not None and not 0.0 <= self.noise_codes <= _MOST_NOISE_CODES:
            raise UsageError(f"noise_codes is {self.noise_codes}; allowed are 0 (none) to {_MOST_NOISE_CODES:g}")
        check_kernel_options(self.kernel, self.kernel_steps, self.kernel_prior)
        if self.kernel != "auto" and self.blur_sigma_px is not None:
            raise UsageError("a kernel says how blurred the input is; leave blur_sigma_px out")

    @property
    def estimates(self) -> bool:
        """Whether something is left to the shot's first frames."""
        return self.noise_codes is None or (self.kernel == "auto" and self.blur_sigma_px is None)


class ZeroShot:
    """Enlarge each frame of a shot by the network that was trained on it; by interpolation where none was."""

    def __init__(
        self,
        geometry: Geometry,
        options: ZeroShotOptions,
        device: torch.device,
        choice: KernelChoice | None,
        scale: int,
    ) -> None:
        self._geometry, self._options, self._device = geometry, options, device
        self._choice, self._scale = choice, scale
        self._adaptation: Adaptation = NOT_ADAPTED
        self._engine: Engine | None = None  # for the weights of that adaptation

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """``weights.*``, ``kernel`` and ``loss``, and ``source`` where it was estimated.

        Nothing where frames are too small to learn from, or are not enlarged.
        """
        lumas = [network_input(frame, "Y", self._device)[0] for frame in frames]
        if self._scale < 2 or not lumas or min(lumas[0].shape) < LEAST_SIDE_PX:
            return NOT_ADAPTED
        estimates = estimate_source(lumas) if self._options.estimates else None
        source = source_in({} if estimates is None else {"source": estimates})
        blur, noise = (0.0, 0.0) if source is None else (source.blur_px, source.noise_codes)
        blur = blur if self._options.blur_sigma_px is None else self._options.blur_sigma_px
        noise = noise if self._options.noise_codes is None else self._options.noise_codes
        kernel = self._kernel(lumas, blur)
        weights, loss = train_on_frames(
            lumas, kernel, self._scale, steps=self._options.training_steps, noise_codes=noise
        )
        found = {} if estimates is None else {"source": estimates}
        return {**with_prefix(weights, _WEIGHTS), "kernel": kernel, "loss": torch.tensor([loss]), **found}

    def _kernel(self, lumas: Sequence[Tensor], blur_px: float) -> Tensor:
        """As given, else as estimated, else a Gaussian ahead of bicubic shrinking."""
        kernel = None if self._choice is None else self._choice.kernel(self._choice.learn(lumas))
        return blurred_bicubic_kernel(self._scale, blur_px) if kernel is None else kernel

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One enlarged frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        for frame in frames:
            check_size(frame, self._geometry)
            if frame.is_halo:
                continue
            if "kernel" in adaptation:
                yield replace(frame, planes=self._enlarge(frame, adaptation), findings=self._findings(adaptation))
            else:
                planes = tuple(
                    resample_plane(frame, number, self._geometry, "bicubic", self._device)
                    for number in range(frame.layout.num_planes)
                )
                yield replace(frame, planes=planes, findings={"training_steps": 0.0})

    def _enlarge(self, frame: VideoFrame, adaptation: Adaptation) -> tuple[Tensor, ...]:
        given = network_input(frame, "Y", self._device)[None]
        with torch.inference_mode():
            made = self._network(adaptation).whole(given)
            for _ in range(self._options.back_projections):
                made = made + enlarge(given - degrade(made, adaptation["kernel"], self._scale), self._scale)
        size_yx = (self._geometry.height * self._scale, self._geometry.width * self._scale)
        writer = PlaneWriter(frame, "Y", self._geometry, size_yx, self._device)
        writer.push(made[0])
        return writer.planes()

    def _findings(self, adaptation: Adaptation) -> dict[str, float]:
        found = {"training_steps": float(self._options.training_steps), "training_loss": float(adaptation["loss"])}
        if self._choice is not None and self._choice.estimator is not None:
            found |= kernel_findings(adaptation, self._scale)
        return {**found, **source_findings(source_in(adaptation))}

    def _network(self, adaptation: Adaptation) -> Engine:
        if self._engine is None or adaptation is not self._adaptation:
            module = ShotNetwork(self._scale)
            module.load_state_dict(dict(part_of(adaptation, _WEIGHTS)))
            module.eval().requires_grad_(False)
            network = Network("zssr", module, self._scale, "Y", module.context_px)
            options = EngineOptions(
                Precision("float32"), measure_load(network), self._options.tile_px, self._options.self_ensemble
            )
            self._adaptation, self._engine = adaptation, Engine(network, options, self._device)
        return self._engine


@dataclass(frozen=True)
class PreparedZeroShot(Prepared[ZeroShotOptions]):
    """Training on each shot."""

    scale: int
    """Magnification that is trained; what then remains is resampled. 1: nothing is trained."""
    kernel: KernelChoice | None
    """Where whole kernels come from; None: there are none."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames stand for themselves once the shot's first ones are learnt from."""
        return Capabilities("learned", adapt_frames=self.options.training_frames if self.scale > 1 else 0)

    def key(self) -> Mapping[str, Any]:
        """The kernel, and what estimates the source."""
        kernel = {"kernel": None} if self.kernel is None else self.kernel.key()
        return {**kernel, "estimator": self._estimator()}

    def describe(self) -> Mapping[str, Any]:
        """What estimates the source; there are no weights but the shots' own."""
        return {"model": None, "estimator": self._estimator()}

    def _estimator(self) -> str | None:
        is_used = self.options.estimates or (self.kernel is not None and self.kernel.is_surveyed)
        return estimator_digest() if is_used else None

    def plan_rows(self) -> list[tuple[str, str]]:
        """What is trained, and how long that takes about."""
        if self.scale < 2:
            return [("training", "none: the image is not enlarged")]
        minutes = max(1, math.ceil(self.options.training_steps * _SECONDS_A_STEP / 60))
        training = (
            f"{self.options.training_steps} steps on the first {self.options.training_frames} frames of each shot, "
            f"about {minutes} minutes a shot on one core"
        )
        kernel = [] if self.kernel is None else [("conditions", self.kernel.words(self.options.kernel))]
        return [("training", training), *kernel]

    def open(self, geometry: Geometry) -> ZeroShot:
        """See `Prepared`."""
        return ZeroShot(geometry, self.options, self.torch_device, self.kernel, _scale_of(geometry))


def _scale_of(geometry: Geometry) -> int:
    """The whole number that is trained for: that of the magnification, rounded up."""
    return max(1, *plan_passes(magnification(geometry), ()), 1)


def prepare_zero_shot(geometry: Geometry, options: ZeroShotOptions, device: str) -> PreparedZeroShot:
    """See `vsr.methods.method.Method`. Raises as `choose_kernel`."""
    scale = _scale_of(geometry)
    kernel = choose_kernel(options.kernel, options.kernel_steps, options.kernel_prior, scale) if scale > 1 else None
    return PreparedZeroShot(options, device, scale, kernel)
