"""RLSP: a recurrent network whose memory is handed on as it is, without any motion compensation.

Fuoli, Gu, Timofte, "Efficient video super-resolution through recurrent latent space propagation", ICCVW 2019.
Post-upsampling, recurrent; takes RGB and gives Y, 0…255 inside. RLSP 7-64: 282,128 numbers, 7-48: 163,216. Names and
layers as in the authors' TensorFlow code (dariofuoli/RLSP). Trained on images blurred by a Gaussian of 1.5 pixels of
which every fourth was taken, from the first on. Figures on Vid4: see docs/networks.md.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, RecurrentUpscaler, Shapes
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["RLSP", "SPECS", "recognise_rlsp"]

_RANGE = 255.0
_LUMA = (65.738 / 256, 129.057 / 256, 25.064 / 256)  # of red, green and blue, as the authors weigh them
_BLACK = 16 / _RANGE
_AT_ONCE = 3  # frames


class RLSP(RecurrentUpscaler):
    """``depth`` convolutions ahead of the two that give the memory and what is added to the nearest pixel's luma."""

    def __init__(self, scale: int, *, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.conv(3, times=depth + 1).context_px
        self.offset_px = -(scale - 1) / (2 * scale)
        self.out_colour = "Y"
        self.radius_frames, self._width = _AT_ONCE // 2, width
        self.in_channels = 3 * _AT_ONCE + scale**2 + width
        self.out_channels = scale**2 + width
        self._depth = depth
        inputs = self.in_channels
        for number in range(depth):
            self.add_module(f"layer{number}", nn.Conv2d(inputs, width, 3, padding=1))
            inputs = width
        self.add_module(f"layer{depth}", nn.Conv2d(width, width, 3, padding=1))
        self.add_module(f"layer{depth + 1}", nn.Conv2d(width, scale**2, 3, padding=1))

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 9 + scale² + width, H, W)`` → ``(B, scale² + width, H, W)``; see `RecurrentUpscaler`."""
        frames, before, memory = torch.split(stacked, [3 * _AT_ONCE, self.scale**2, self._width], 1)
        features = torch.cat([frames, memory, before], 1).to(weights_dtype(self)) * _RANGE
        for number in range(self._depth):
            features = relu(self.get_submodule(f"layer{number}")(features))
        memory = relu(self.get_submodule(f"layer{self._depth}")(features))
        detail = self.get_submodule(f"layer{self._depth + 1}")(features)
        red, green, blue = frames[:, 3:6].unbind(1)
        luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue + _BLACK
        result = luma[:, None] + detail.to(stacked.dtype) / _RANGE
        return torch.cat([result, memory.to(stacked.dtype) / _RANGE], 1)


def recognise_rlsp(shapes: Shapes) -> Found | None:
    """RLSP of any width and depth."""
    layers = count(shapes, "layer", ".weight")
    width = shapes["layer0.weight"][0]
    last = shapes[f"layer{layers - 1}.weight"]
    scale = round(last[0] ** 0.5)
    inputs = 3 * _AT_ONCE + scale**2 + width
    if len(shapes) != 2 * layers or layers < 3 or shapes["layer0.weight"] != (width, inputs, 3, 3):
        return None
    if last != (scale**2, width, 3, 3):
        return None
    return Found(f"rlsp-{layers - 1}-{width}", (scale,), lambda scale: RLSP(scale, width=width, depth=layers - 2))


SPECS = (
    network_spec(
        "rlsp-7-48",
        "Fuoli, Gu, Timofte, ICCVW 2019: RLSP 7-48",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=partial(RLSP, width=48),
        parameters=163_216,
        recognise=recognise_rlsp,
        value_range=255,
        family="recurrent",
    ),
    network_spec(
        "rlsp-7-64",
        "Fuoli, Gu, Timofte, ICCVW 2019: RLSP 7-64",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=RLSP,
        parameters=282_128,
        recognise=recognise_rlsp,
        value_range=255,
        family="recurrent",
    ),
)
"""As published."""
