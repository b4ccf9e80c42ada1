"""Restoration by a network conditioned on the blur and noise of each frame.

Conditions are the same for a whole shot: given by the user, else estimated from the shot's first frames
(`vsr.methods.source`). Where several networks run one after another, the first takes blur and noise away, so the
others get none. Some networks take a whole kernel instead of a Gaussian's width: of a file, or estimated for each shot
(`vsr.methods.kernel_estimation`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.methods.kernel_estimation.choice import KernelChoice, check_kernel_options, choose_kernel, kernel_findings
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry
from vsr.methods.network.colour import network_input
from vsr.methods.network.frame import ADAPT_FRAMES, PerFrame, PerFrameOptions, PreparedPerFrame, prepare_network
from vsr.methods.network.model import Model, ModelPart, open_part
from vsr.methods.source import estimate_source, estimator_digest, source_in
from vsr.networks import ConditionedUpscaler, Network
from vsr.observation.block_kernels import blurred_bicubic_kernel

__all__ = [
    "Conditioned",
    "ConditionedOptions",
    "Conditions",
    "PreparedConditioned",
    "prepare_conditioned_network",
    "resolve_conditions",
]

_NOT_TURNED = "self_ensemble turns the image, but not the kernel; leave one of them out"
_MOST_BLUR_PX, _MOST_NOISE_CODES = 16.0, 255.0  # that any network may know


@dataclass(frozen=True)
class ConditionedOptions(PerFrameOptions):
    """Settings of `Conditioned`."""

    blur_sigma_px: float | None = None
    """Blur ahead of bicubic shrinking, standard deviation in input pixels, as given to the network; None: estimated."""
    noise_codes: float | None = None
    """Noise of the input, standard deviation in codes of 255, as given to the network; None: estimated."""
    kernel: str = "auto"
    """How samples came about: auto (Gaussian blur, then bicubic shrinking), a file of a kernel's weights, or what
    estimates one for each shot: survey, psf, directions, kernelgan, kernelgan-fkp, dip, dip-fkp, ikc, kxnet."""
    kernel_steps: int | None = None
    """Steps of estimating the kernel of each shot, for estimators that learn; None: the estimator's usual ones."""
    kernel_prior: str | None = None
    """Weights by name or file for estimators that need some; None: those called fkp, ikc or kxnet."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blur_sigma_px is not None and not 0.0 <= self.blur_sigma_px <= _MOST_BLUR_PX:
            raise UsageError(f"blur_sigma_px is {self.blur_sigma_px}; allowed are 0 (none) to {_MOST_BLUR_PX:g}")
        if self.noise_codes is not None and not 0.0 <= self.noise_codes <= _MOST_NOISE_CODES:
            raise UsageError(f"noise_codes is {self.noise_codes}; allowed are 0 (none) to {_MOST_NOISE_CODES:g}")
        check_kernel_options(self.kernel, self.kernel_steps, self.kernel_prior)
        if self.kernel != "auto" and self.blur_sigma_px is not None:
            raise UsageError("a kernel says how blurred the input is; leave blur_sigma_px out")
        if self.kernel != "auto" and self.self_ensemble:
            raise UsageError(_NOT_TURNED)
        if self.consistent and self.blur_sigma_px != 0:
            raise UsageError(
                "consistent brings results back to an input that was not blurred; set blur_sigma_px=0 with it"
            )

    @property
    def estimates(self) -> bool:
        """Whether something is left to the shot's first frames."""
        return self.noise_codes is None or (self.kernel == "auto" and self.blur_sigma_px is None)


@dataclass(frozen=True)
class Conditions:
    """Conditions of a network: the degradation of its input."""

    blur_px: float = 0.0
    """Standard deviation of the blur ahead of bicubic shrinking, in pixels of the image."""
    noise_codes: float = 0.0
    """Standard deviation of the noise, in codes of 255."""

    def findings(self) -> dict[str, float]:
        """By name, for `VideoFrame.findings`."""
        return {"condition_blur_px": self.blur_px, "condition_noise_codes": self.noise_codes}

    def stacked(self, network: Network, images: Tensor) -> Tensor:
        """What ``network`` is given for ``images`` ``(B, C, H, W)``."""
        return _module_of(network).stacked(images, self.blur_px, self.noise_codes)


_NOTHING = Conditions()


def _module_of(network: Network) -> ConditionedUpscaler:
    assert isinstance(network.module, ConditionedUpscaler), "the table's family and the module's are one"
    return network.module


def resolve_conditions(
    network: Network, options: ConditionedOptions, adaptation: Adaptation = NOT_ADAPTED
) -> Conditions:
    """What is given, else estimated (none where nothing could be), no more than ``network`` knows.

    The estimate's blur is that ahead of averaging over a pixel's area, the network's that ahead of bicubic shrinking.
    The one is taken for the other, which errs by at most the area's own blur (0.29 px), towards too little sharpening.
    Raises `UsageError` where something was given that the network does not know.
    """
    module, source = _module_of(network), source_in(adaptation)
    name = network.source or network.name
    if options.blur_sigma_px is not None and options.blur_sigma_px > module.most_blur_px:
        raise UsageError(
            f"{name}: knows blur up to {module.most_blur_px:g} input pixels; blur_sigma_px is {options.blur_sigma_px:g}"
        )
    if options.noise_codes is not None and options.noise_codes > module.most_noise_codes:
        known = f"noise up to {module.most_noise_codes:g} of 255" if module.most_noise_codes else "no noise"
        raise UsageError(f"{name}: knows {known}; noise_codes is {options.noise_codes:g}")
    blur, noise = (0.0, 0.0) if source is None else (source.blur_px, source.noise_codes)
    blur = blur if options.blur_sigma_px is None else options.blur_sigma_px
    blur = blur if options.kernel == "auto" else 0.0
    noise = noise if options.noise_codes is None else options.noise_codes
    return Conditions(min(blur, module.most_blur_px), min(noise, module.most_noise_codes))


class Conditioned(PerFrame):
    """Enlarge each frame by networks conditioned on its blur and noise."""

    def __init__(
        self,
        geometry: Geometry,
        options: ConditionedOptions,
        device: torch.device,
        model: Model,
        kernel: KernelChoice | None = None,
    ) -> None:
        super().__init__(geometry, options, device, model)
        self._given, self._kernel = options, kernel

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """What `PerFrame` learns; ``source``, estimates of blur and noise, and ``kernel``, where they are left open.

        Neither where frames are too small to tell.
        """
        learnt = dict(super().adapt(frames))
        lumas = [network_input(frame, "Y", self._device)[0] for frame in frames]
        if "source" not in learnt and self._given.estimates:
            estimates = estimate_source(lumas, self._given.compression_codes)
            learnt |= {} if estimates is None else {"source": estimates}
        return learnt if self._kernel is None else {**learnt, **self._kernel.learn(lumas, self._first().module)}

    def _network(self, part: ModelPart, adaptation: Adaptation) -> Network:
        network = super()._network(part, adaptation)
        kernel = None if self._kernel is None else self._kernel.kernel(adaptation)
        if kernel is None:
            return network
        own = replace(network, module=copy.deepcopy(network.module))
        _module_of(own).set_kernel(kernel)
        return own

    def _conditions(self, adaptation: Adaptation) -> Conditions:
        return resolve_conditions(self._first(), self._given, adaptation)

    def _first(self) -> Network:
        """That which is given the frames."""
        return open_part(self._model, self._model.parts[0])

    def _bands(self, batch: Sequence[VideoFrame], images: Tensor, adaptation: Adaptation) -> Iterator[Tensor]:
        conditions = self._conditions(adaptation)

        def stacked(given: Tensor, step: int) -> Tensor:
            part = next(part for part in self._model.parts if part.scale == self._passes[step])
            return (_NOTHING if step else conditions).stacked(open_part(self._model, part), given)

        return self._enlarge(images, adaptation, stacked)

    def _findings(self, adaptation: Adaptation) -> dict[str, float]:
        found = {**super()._findings(adaptation), **self._conditions(adaptation).findings()}
        if self._kernel is not None:
            del found["condition_blur_px"]  # the kernel says it
            found |= kernel_findings(adaptation, self._kernel.scale)
        return found


@dataclass(frozen=True)
class PreparedConditioned(PreparedPerFrame):
    """Networks that see one frame and its conditions."""

    options: ConditionedOptions
    kernel: KernelChoice | None = None
    """Where whole kernels come from; None: there are none."""

    @property
    def capabilities(self) -> Capabilities:
        """As of networks that see one frame; first frames tell the source and the kernel."""
        own = super().capabilities
        learns = self.options.estimates or (self.kernel is not None and self.kernel.estimator is not None)
        return replace(own, adapt_frames=ADAPT_FRAMES) if learns else own

    def key(self) -> Mapping[str, Any]:
        """The networks, the kernel, and what estimates the source."""
        kernel = {"kernel": None} if self.kernel is None else self.kernel.key()
        return {**super().key(), **kernel, "estimator": self._estimator()}

    def describe(self) -> Mapping[str, Any]:
        """The networks, and what estimates the source."""
        return {**super().describe(), "estimator": self._estimator()}

    def _estimator(self) -> str | None:
        is_used = self.options.estimates or (self.kernel is not None and self.kernel.is_surveyed)
        return estimator_digest() if is_used else None

    def plan_rows(self) -> list[tuple[str, str]]:
        """Passes, networks and their conditions."""
        given = {"blur": self.options.blur_sigma_px, "noise": self.options.noise_codes}
        if self.kernel is not None:
            del given["blur"]
        words = [] if self.kernel is None else [self.kernel.words(self.options.kernel)]
        words += [
            f"{name} {'estimated for each shot' if value is None else f'{value:g}'}" for name, value in given.items()
        ]
        return [*super().plan_rows(), ("conditions", ", ".join(words))]

    def open(self, geometry: Geometry) -> Conditioned:
        """See `Prepared`."""
        return Conditioned(geometry, self.options, self.torch_device, self.model, self.kernel)


def prepare_conditioned_network(
    name: str, geometry: Geometry, options: ConditionedOptions, device: str
) -> PreparedConditioned:
    """As `prepare_network`. Raises `UsageError` for a blur, noise or kernel that the network does not know."""
    model = prepare_network(name, geometry, options, device).model
    network = open_part(model, model.parts[0])
    resolve_conditions(network, options)
    return PreparedConditioned(options, device, model, _choose_kernel(network, model, options))


def _choose_kernel(network: Network, model: Model, options: ConditionedOptions) -> KernelChoice | None:
    """As `choose_kernel`. Raises `UsageError` where the network takes no kernels.

    What finds kernels itself is its own estimator, and takes a known blur as a kernel.
    """
    name, finds = network.source or network.name, _module_of(network).finds_kernels
    if options.kernel == "auto" and not finds:
        return None
    if finds and options.self_ensemble:
        raise UsageError(_NOT_TURNED)
    if not _module_of(network).takes_kernels:
        raise UsageError(f"{name}: knows Gaussian blur alone; give blur_sigma_px instead of kernel")
    if len(model.passes) > 1:
        steps = ", then ".join(f"x{scale}" for scale in model.passes)
        raise UsageError(f"{name}: a kernel is for one pass, and this magnification takes {steps}")
    if options.kernel != "auto":
        return choose_kernel(options.kernel, options.kernel_steps, options.kernel_prior, network.scale)
    if options.blur_sigma_px is not None:
        return KernelChoice.of(network.scale, blurred_bicubic_kernel(network.scale, options.blur_sigma_px))
    return KernelChoice(network.scale, estimator=network.name)
