"""FRVSR: the previous result, warped by optical flow of its own, is enlarged again together with the frame.

Sajjadi, Vemulapalli, Brown, "Frame-recurrent video super-resolution", CVPR 2018. Post-upsampling, recurrent, RGB, 0…1,
bicubic residual. Flow comes from an encoder and decoder of two frames, `FNet`; the warped result is rearranged to the
small size. Blocks of 64 as in the later comparisons (2,589,093 parameters with 10), 128 in the paper's FRVSR 10-128
(5,054,693). Names as in TecoGAN-PyTorch (skycrapers). It learnt from frames blurred by a Gaussian of 1.5 pixels of
which every fourth was taken.
"""

from __future__ import annotations

import itertools
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, pixel_shuffle, pixel_unshuffle

from vsr.networks.base import Found, RecurrentUpscaler, Shapes
from vsr.networks.blocks import count, doublings, weights_dtype
from vsr.networks.rrn import pixels_first
from vsr.networks.spec import network_spec
from vsr.networks.spynet import flow_warp

__all__ = ["FRVSR", "SPECS", "recognise_frvsr"]

_SLOPE = 0.2
_MOST_FLOW_PX = 24.0
_HALVINGS = 3
_AT_ONCE = 3  # frames, of which the last is not looked at


def _twice(inputs: int, width: int, outputs: int, *, pools: bool = False) -> nn.Sequential:
    """Two convolutions, each rectified; halved afterwards if asked for."""
    layers: list[nn.Module] = []
    for one, other in itertools.pairwise((inputs, width, outputs)):
        layers += [nn.Conv2d(one, other, 3, padding=1), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pools else []))


class _FNet(nn.Module):
    """Flow ``(B, 2, H, W)`` from the first to the second frame, column displacement first, at most 24 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder1, self.encoder2 = _twice(6, 32, 32, pools=True), _twice(32, 64, 64, pools=True)
        self.encoder3 = _twice(64, 128, 128, pools=True)
        self.decoder1, self.decoder2, self.decoder3 = _twice(128, 256, 256), _twice(256, 128, 128), _twice(128, 64, 64)
        self.flow = nn.Sequential(nn.Conv2d(64, 32, 3, padding=1), nn.LeakyReLU(_SLOPE), nn.Conv2d(32, 2, 3, padding=1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        height, width = first.shape[-2:]
        more = (0, -width % 2**_HALVINGS, 0, -height % 2**_HALVINGS)
        features = pad(torch.cat([first, second], 1), more, mode="replicate").to(weights_dtype(self))
        for encoder in (self.encoder1, self.encoder2, self.encoder3):
            features = encoder(features)
        for decoder in (self.decoder1, self.decoder2, self.decoder3):
            features = interpolate(decoder(features), scale_factor=2.0, mode="bilinear")
        flow: Tensor = self.flow(features)
        return _MOST_FLOW_PX * flow.to(first.dtype).tanh()[..., :height, :width]


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = self.conv(features)
        return features + added


class _SRNet(nn.Module):
    def __init__(self, scale: int, width: int, blocks: int) -> None:
        super().__init__()
        self.conv_in = nn.Sequential(nn.Conv2d(3 + 3 * scale**2, width, 3, padding=1), nn.ReLU())
        self.resblocks = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        layers: list[nn.Module] = []
        for _ in range(doublings(scale)):
            layers += [nn.ConvTranspose2d(width, width, 3, 2, 1, output_padding=1), nn.ReLU()]
        self.conv_up = nn.Sequential(*layers)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, stacked: Tensor) -> Tensor:
        detail: Tensor = self.conv_out(self.conv_up(self.resblocks(self.conv_in(stacked))))
        return detail


class FRVSR(RecurrentUpscaler):
    """``blocks`` residual blocks of ``width``. Its memory is its result."""

    def __init__(self, scale: int, *, width: int = 64, blocks: int = 10) -> None:
        super().__init__()
        self.scale, self.context_px = scale, None
        self.offset_px = -(scale - 1) / (2 * scale)
        pixels = 3 * scale**2
        self.radius_frames = _AT_ONCE // 2
        self.in_channels, self.out_channels = 3 * _AT_ONCE + pixels, pixels
        self.fnet = _FNet()
        self.srnet = _SRNet(scale, width, blocks)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 9 + 3·scale², H, W)`` → ``(B, 3·scale², H, W)``; see `RecurrentUpscaler`."""
        before, frame, _, result = torch.split(stacked, [3, 3, 3, 3 * self.scale**2], 1)
        flow = self.fnet(frame, before)
        flow = self.scale * interpolate(flow, scale_factor=float(self.scale), mode="bicubic")
        warped = pixel_unshuffle(flow_warp(pixel_shuffle(result, self.scale), flow, padding_mode="border"), self.scale)
        given = torch.cat([frame, pixels_first(warped)], 1)
        detail = self.srnet(given.to(weights_dtype(self))).to(stacked.dtype)
        enlarged = interpolate(frame, scale_factor=float(self.scale), mode="bicubic")
        return pixel_unshuffle(detail + enlarged, self.scale)


def recognise_frvsr(shapes: Shapes) -> Found | None:
    """FRVSR of any width and number of blocks."""
    width, inputs, *_ = shapes["srnet.conv_in.0.weight"]
    blocks, scale = count(shapes, "srnet.resblocks.", ".conv.0.weight"), round(((inputs - 3) // 3) ** 0.5)
    if inputs != 3 + 3 * scale**2 or shapes["fnet.flow.2.weight"] != (2, 32, 3, 3):
        return None
    return Found("frvsr", (scale,), partial(FRVSR, width=width, blocks=blocks))


SPECS = (
    network_spec(
        "frvsr",
        "Sajjadi, Vemulapalli, Brown, CVPR 2018: FRVSR, 10 blocks of 64",
        "post-upsampling",
        scales=(4,),
        colour="RGB",
        build=FRVSR,
        parameters=2_589_093,
        recognise=recognise_frvsr,
        family="recurrent",
    ),
)
