"""RRN: a recurrent network of residual blocks whose hidden state is handed on as it is; and its small mobile form.

Isobe, Zhu, Jia, Wang, "Revisiting temporal modeling for video super-resolution", BMVC 2020 (3.4M parameters). Mobile
RRN is the baseline of the Mobile AI 2022 challenge (MediaTek-NeuroPilot/mai22-real-time-video-sr, Apache-2.0): five
blocks of 16 or 32, and the previous result is not looked at. Post-upsampling, recurrent, RGB, bilinear residual; RRN
0…1, Mobile RRN 0…255 inside. Both see the frame before and the frame. RRN learnt from frames blurred by a Gaussian of
1.6 pixels of which every fourth was taken, Mobile RRN from bicubic ones. Names as in the authors' code.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_unshuffle, relu

from vsr.networks.base import Found, RecurrentUpscaler, Shapes
from vsr.networks.blocks import PairBlock, count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = [
    "RRN",
    "SPECS",
    "MobileRRN",
    "colours_first",
    "pixels_first",
    "recognise_mobile_rrn",
    "recognise_rrn",
    "unshuffled_bilinear",
]

_AT_ONCE = 3  # frames, of which the last is not looked at
_RANGE = 255.0


def unshuffled_bilinear(frame: Tensor, scale: int) -> Tensor:
    """Bilinear enlargement of ``(B, 3, H, W)``, its pixels stacked on the channels."""
    return pixel_unshuffle(interpolate(frame, scale_factor=float(scale), mode="bilinear"), scale)


def colours_first(pixels: Tensor) -> Tensor:
    """Channels of TensorFlow's ``depth_to_space`` (colours inside pixels) as `pixel_shuffle` has them."""
    count, channels, height, width = pixels.shape
    return pixels.view(count, channels // 3, 3, height, width).transpose(1, 2).reshape(count, channels, height, width)


def pixels_first(pixels: Tensor) -> Tensor:
    """The inverse of `colours_first`."""
    count, channels, height, width = pixels.shape
    return pixels.view(count, 3, channels // 3, height, width).transpose(1, 2).reshape(count, channels, height, width)


class _Cell(nn.Module):
    def __init__(self, inputs: int, width: int, blocks: int, pixels: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, width, 3, padding=1)
        self.recon_trunk = nn.Sequential(*(PairBlock(width) for _ in range(blocks)))
        self.conv_h = nn.Conv2d(width, width, 3, padding=1)
        self.conv_o = nn.Conv2d(width, pixels, 3, padding=1)

    def forward(self, stacked: Tensor) -> tuple[Tensor, Tensor]:
        features = self.recon_trunk(relu(self.conv_1(stacked)))
        return relu(self.conv_h(features)), self.conv_o(features)


class _MobileCell(nn.Module):
    def __init__(self, inputs: int, width: int, blocks: int, pixels: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(inputs, width, 3, padding=1)
        named = {f"layer_with_weights-{number}": PairBlock(width) for number in range(blocks)}
        self.recon_trunk = nn.Sequential(OrderedDict(named))
        self.conv_last = nn.Conv2d(width, pixels, 3, padding=1)
        self.conv_hidden = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, stacked: Tensor) -> tuple[Tensor, Tensor]:
        features = self.recon_trunk(relu(self.conv_first(stacked)))
        return relu(self.conv_hidden(features)), self.conv_last(features)


class RRN(RecurrentUpscaler):
    """``blocks`` residual blocks of ``width``."""

    def __init__(self, scale: int, *, width: int = 128, blocks: int = 10) -> None:
        super().__init__()
        self.scale, self._width = scale, width
        self.context_px = INPUT.conv(3, times=2 + 2 * blocks).context_px
        self.offset_px = -(scale - 1) / (2 * scale)
        pixels = 3 * scale**2
        self.radius_frames = _AT_ONCE // 2
        self.in_channels, self.out_channels = 3 * _AT_ONCE + pixels + width, pixels + width
        self.neuro = _Cell(6 + width + pixels, width, blocks, pixels)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 9 + 3·scale² + width, H, W)`` → ``(B, 3·scale² + width, H, W)``; see `RecurrentUpscaler`."""
        frames, _, result, memory = torch.split(stacked, [6, 3, 3 * self.scale**2, self._width], 1)
        memory, detail = self.neuro(torch.cat([frames, memory, result], 1).to(weights_dtype(self)))
        result = detail.to(stacked.dtype) + unshuffled_bilinear(frames[:, 3:], self.scale)
        return torch.cat([result, memory.to(stacked.dtype)], 1)


class MobileRRN(RecurrentUpscaler):
    """``blocks`` residual blocks of ``width``; bilinear residual, unclipped."""

    def __init__(self, scale: int, *, width: int = 16, blocks: int = 5) -> None:
        super().__init__()
        self.scale, self._width = scale, width
        self.context_px = INPUT.conv(3, times=2 + 2 * blocks).context_px
        pixels = 3 * scale**2
        self.radius_frames = _AT_ONCE // 2
        self.in_channels, self.out_channels = 3 * _AT_ONCE + pixels + width, pixels + width
        self.model = _MobileCell(6 + width, width, blocks, pixels)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 9 + 3·scale² + width, H, W)`` → ``(B, 3·scale² + width, H, W)``; see `RecurrentUpscaler`."""
        frames, _, memory = torch.split(stacked, [6, 3 + 3 * self.scale**2, self._width], 1)
        memory, detail = self.model(torch.cat([frames, memory], 1).to(weights_dtype(self)) * _RANGE)
        result = colours_first(detail).to(stacked.dtype) / _RANGE + unshuffled_bilinear(frames[:, 3:], self.scale)
        return torch.cat([result, memory.to(stacked.dtype) / _RANGE], 1)


def recognise_rrn(shapes: Shapes) -> Found | None:
    """RRN of any width and number of blocks."""
    width, inputs, *_ = shapes["neuro.conv_1.weight"]
    pixels, blocks = shapes["neuro.conv_o.weight"][0], count(shapes, "neuro.recon_trunk.", ".conv1.weight")
    if inputs != 6 + width + pixels or shapes["neuro.conv_h.weight"] != (width, width, 3, 3):
        return None
    return Found("rrn", (round((pixels // 3) ** 0.5),), partial(RRN, width=width, blocks=blocks))


def recognise_mobile_rrn(shapes: Shapes) -> Found | None:
    """Mobile RRN of any width and number of blocks."""
    width, inputs, *_ = shapes["model.conv_first.weight"]
    blocks = count(shapes, "model.recon_trunk.layer_with_weights-", ".conv1.weight")
    if inputs != 6 + width or shapes["model.conv_hidden.weight"] != (width, width, 3, 3):
        return None
    scale = round((shapes["model.conv_last.weight"][0] // 3) ** 0.5)
    return Found(f"mobile-rrn-{width}", (scale,), partial(MobileRRN, width=width, blocks=blocks))


SPECS = (
    network_spec(
        "rrn",
        "Isobe, Zhu, Jia, Wang, BMVC 2020: RRN, 10 blocks of 128",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=RRN,
        parameters=3_364_400,
        recognise=recognise_rrn,
        family="recurrent",
    ),
    network_spec(
        "mobile-rrn-16",
        "MediaTek, Mobile AI 2022: Mobile RRN, 5 blocks of 16",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=MobileRRN,
        parameters=35_664,
        recognise=recognise_mobile_rrn,
        value_range=255,
        family="recurrent",
    ),
    network_spec(
        "mobile-rrn-32",
        "MediaTek, Mobile AI 2022: Mobile RRN, 5 blocks of 32",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=partial(MobileRRN, width=32),
        parameters=126_576,
        recognise=recognise_mobile_rrn,
        value_range=255,
        family="recurrent",
    ),
)
