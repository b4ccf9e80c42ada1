"""Networks that the library spandrel recognises: RCAN, ESRGAN/RRDB, Real-ESRGAN compact, SwinIR, IPT and others.

spandrel is loaded when a file is none of our own architectures. It gets tensors that are already read and checked,
never a file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from vsr.errors import MachineError, ModelError
from vsr.networks.base import Colour, Upscaler
from vsr.networks.blocks import weights_dtype
from vsr.networks.spandrel_table import SPANDREL

__all__ = ["SpandrelUpscaler", "spandrel_upscaler"]


class SpandrelUpscaler(Upscaler):
    """One of spandrel's networks: takes and gives float32, runs in the type of its weights."""

    architecture: str
    """spandrel's name for it, for people."""
    architecture_id: str
    """spandrel's identifier of it."""
    colour: Colour
    mostly_generative: bool
    """Whether published weights of it were mostly trained adversarially."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model: nn.Module = descriptor.model
        self._run: Callable[[nn.Module, Tensor], Tensor] = descriptor._call_fn
        self.scale = int(descriptor.scale)
        self.architecture = str(descriptor.architecture.name)
        self.architecture_id = str(descriptor.architecture.id)
        self.colour = "Y" if descriptor.input_channels == 1 else "RGB"
        row = SPANDREL.get(descriptor.architecture.id)
        self.mostly_generative = row is not None and row.is_generative
        self.context_px = row.context_px(self.model) if row is not None and row.context_px is not None else None
        self._one_by_one = descriptor.architecture.id == "IPT"  # it joins a batch along its channels
        unshuffled = getattr(self.model, "shuffle_factor", None) or 1
        self.multiple = max(1, descriptor.size_requirements.multiple_of, unshuffled)
        self.min_size = max(1, descriptor.size_requirements.minimum)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` in 0…1 → ``(B, C, scale·H, scale·W)``."""
        dtype = weights_dtype(self.model)
        copied = images.to(dtype, copy=True)  # RCAN works on its input in place
        given = torch.split(copied, 1 if self._one_by_one else max(1, len(images)))
        # some of these networks make masks in float32 on the way; autocast lets them meet half-precision weights
        with torch.autocast(images.device.type, dtype, enabled=dtype in (torch.float16, torch.bfloat16)):
            enlarged = torch.cat([self._run(self.model, part) for part in given])
        return enlarged.to(images.dtype)


class _ChangesItself(SpandrelUpscaler):
    """SPAN, which puts its weights together again at every call: one call at a time."""

    def forward(self, images: Tensor) -> Tensor:
        with _ONE_AT_A_TIME:
            return super().forward(images)


class _Compact(SpandrelUpscaler):
    """Real-ESRGAN compact, its sum with the repeated input kept in float32."""

    def forward(self, images: Tensor) -> Tensor:
        model: Any = self.model
        features = images.to(model.body[0].weight.dtype)
        for layer in model.body:
            features = layer(features)
        residual: Tensor = model.upsampler(features).to(images.dtype)
        return residual + nn.functional.interpolate(images, scale_factor=float(self.scale), mode="nearest")


_ONE_AT_A_TIME = threading.Lock()
_KINDS: Mapping[str, type[SpandrelUpscaler]] = MappingProxyType({"Compact": _Compact, "SPAN": _ChangesItself})
"""By the architecture's name in spandrel, where it needs care."""


def spandrel_upscaler(tensors: Mapping[str, Tensor], source: str) -> SpandrelUpscaler | None:
    """The network that spandrel sees in these weights, None if it knows none; `ModelError` if it is not an upscaler."""
    try:
        import spandrel
    except ImportError as error:
        raise MachineError(f"{source}: none of vsr's own networks; others need the package spandrel") from error
    try:
        descriptor = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(tensors))
    except spandrel.UnsupportedModelError:
        return None
    except (RuntimeError, KeyError, ValueError, TypeError, AssertionError, IndexError, AttributeError) as error:
        text = " ".join(str(error).split())[:160]
        raise ModelError(
            f"{source}: begins like a network that spandrel knows, but does not fit it ({text})"
        ) from error
    name = descriptor.architecture.name
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.purpose == "FaceSR":
        raise ModelError(f"{source}: {name} does not enlarge plain images ({descriptor.purpose})")
    if descriptor.input_channels != descriptor.output_channels or descriptor.input_channels not in (1, 3):
        channels = f"{descriptor.input_channels} to {descriptor.output_channels}"
        raise ModelError(f"{source}: {name} maps {channels} channels; expected 3 (RGB) or 1 (Y)")
    return _KINDS.get(descriptor.architecture.id, SpandrelUpscaler)(descriptor)
