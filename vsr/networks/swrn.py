"""SWRN: one recurrent branch for the frame before, one for the frame after, fused; 43,472 parameters.

Lian, Lian, "Sliding window recurrent network for efficient video super-resolution", ECCVW 2022 (AIM 2022).
Post-upsampling, recurrent, RGB, 0…255 inside, bilinear residual. Both hidden states go forward in time; the second one
sees each frame with the one after it. Learnt from REDS, downscaled bicubically. Names as in the authors' TensorFlow
code.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, RecurrentUpscaler, Shapes
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.rrn import colours_first, unshuffled_bilinear
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SWRN", "recognise_swrn"]

_RANGE = 255.0


class _Convolution(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)


class _Chain(nn.Module):
    """Convolutions and ReLU, named as TensorFlow names what is in a sequence."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        for number in range(depth):
            self.add_module(f"layer_with_weights-{number}", _Convolution(width))

    def forward(self, features: Tensor) -> Tensor:
        for layer in self.children():
            assert isinstance(layer, _Convolution)
            features = relu(layer.conv(features))
        return features


class _Cell(nn.Module):
    def __init__(self, width: int, depth: int, pixels: int) -> None:
        super().__init__()
        self.conv_first_forward = nn.Conv2d(6 + width, width, 3, padding=1)
        self.conv_first_backward = nn.Conv2d(6 + width, width, 3, padding=1)
        self.recon_trunk_forward, self.recon_trunk_backward = _Chain(width, depth), _Chain(width, depth)
        self.conv_hidden_forward = nn.Conv2d(width, width, 3, padding=1)
        self.conv_hidden_backward = nn.Conv2d(width, width, 3, padding=1)
        self.conv_fusion = nn.Conv2d(2 * width, width, 3, padding=1)
        self.recon_trunk = _Chain(width, depth)
        self.conv_last = nn.Conv2d(width, pixels, 3, padding=1)

    def forward(self, with_before: Tensor, with_after: Tensor) -> tuple[Tensor, Tensor]:
        earlier = self.recon_trunk_forward(relu(self.conv_first_forward(with_before)))
        later = self.recon_trunk_backward(relu(self.conv_first_backward(with_after)))
        memory = torch.cat([self.conv_hidden_forward(earlier), self.conv_hidden_backward(later)], 1)
        features = self.recon_trunk(relu(self.conv_fusion(torch.cat([earlier, later], 1))))
        return self.conv_last(features), memory


class SWRN(RecurrentUpscaler):
    """``depth`` convolutions in each branch and after their fusion; bilinear residual, unclipped."""

    def __init__(self, scale: int, *, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        self.scale, self._width = scale, width
        self.context_px = INPUT.conv(3, times=3 + 2 * depth).context_px
        pixels = 3 * scale**2
        self.radius_frames = 1
        self.in_channels, self.out_channels = 9 + pixels + 2 * width, pixels + 2 * width
        self.model = _Cell(width, depth, pixels)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 9 + 3·scale² + 2·width, H, W)`` → ``(B, 3·scale² + 2·width, H, W)``; see `RecurrentUpscaler`."""
        sizes = [3, 3, 3, 3 * self.scale**2, self._width, self._width]
        before, frame, after, _, earlier, later = torch.split(stacked, sizes, 1)
        with_before, with_after = torch.cat([before, frame, earlier], 1), torch.cat([after, frame, later], 1)
        dtype = weights_dtype(self)
        pixels, memory = self.model(with_before.to(dtype) * _RANGE, with_after.to(dtype) * _RANGE)
        result = colours_first(pixels).to(stacked.dtype) / _RANGE + unshuffled_bilinear(frame, self.scale)
        return torch.cat([result, memory.to(stacked.dtype) / _RANGE], 1)


def recognise_swrn(shapes: Shapes) -> Found | None:
    """SWRN of any width and depth."""
    width, inputs, *_ = shapes["model.conv_first_backward.weight"]
    depth = count(shapes, "model.recon_trunk.layer_with_weights-", ".conv.weight")
    if inputs != 6 + width or shapes["model.conv_fusion.weight"] != (width, 2 * width, 3, 3):
        return None
    scale = round((shapes["model.conv_last.weight"][0] // 3) ** 0.5)
    return Found("swrn", (scale,), partial(SWRN, width=width, depth=depth))


SPECS = (
    network_spec(
        "swrn",
        "Lian, Lian, ECCVW 2022: SWRN",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=SWRN,
        parameters=43_472,
        recognise=recognise_swrn,
        value_range=255,
        family="recurrent",
    ),
)
