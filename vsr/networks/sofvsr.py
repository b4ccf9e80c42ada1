"""SOF-VSR: optical flow is super-resolved first, and neighbours are sampled at the large image's places by it.

Wang, Guo, Liu, Lin, Deng, An, "Deep video super-resolution using HR optical flow estimation", IEEE TIP 2020 (first at
ACCV 2018). Post-upsampling, three frames, Y, 0…1. A flow network goes over half the size, the size and the enlarged
size, with the same weights up to the last step. Each neighbour then gives scale² drafts at the small size, of which a
second network makes the result. Blocks mix channels as ShuffleNet does. Names as in the authors' code of 2020. With
the authors' weights at ×2 the third frames of calendar, foliage and walk (Vid4, bicubic, crop 8) give 27.89, 32.56 and
37.45 dB; bicubic interpolation 23.60, 28.47 and 32.13.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pixel_unshuffle

from vsr.networks.base import Found, Shapes, WindowUpscaler
from vsr.networks.blocks import weights_dtype
from vsr.networks.spec import network_spec
from vsr.networks.spynet import flow_warp

__all__ = ["SOFVSR", "SPECS", "recognise_sofvsr"]

_SLOPE = 0.1
_UNIT_PX = 31 / 2  # of flow: half of the span of the patches it was trained on
_FACTORS = {2: (2,), 3: (3,), 4: (2, 2)}
_AT_END = 64  # channels ahead of the last layer


class _Block(nn.Module):
    """Half of the channels through 1×1, depthwise 3×3 and 1×1 convolutions; then both halves are interleaved."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(half, half, 3, padding=1, bias=False, groups=half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.LeakyReLU(_SLOPE),
        )

    def forward(self, features: Tensor) -> Tensor:
        kept, given = features.chunk(2, 1)
        return torch.stack([kept, self.body(given)], 2).flatten(1, 2)


class _Cascade(nn.Module):
    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(_Block(width) for _ in range(blocks)))

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.body(features)
        return result


def _upsampler(scale: int, width: int, outputs: int, *, bias: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for factor in _FACTORS[scale]:
        layers += [nn.Conv2d(width, _AT_END * factor**2, 1, bias=False), nn.PixelShuffle(factor), nn.LeakyReLU(_SLOPE)]
        width = _AT_END
    return [*layers, nn.Conv2d(width, outputs, 3, padding=1, bias=bias)]


class _FlowNetwork(nn.Module):
    """Where the content of the second image is in the first, in units of `_UNIT_PX`, at ``scale`` times their size."""

    def __init__(self, scale: int, width: int) -> None:
        super().__init__()
        self.scale = scale
        self.RNN1 = nn.Sequential(
            nn.Conv2d(4, width, 3, padding=1, bias=False), nn.LeakyReLU(_SLOPE), _Cascade(3, width)
        )
        self.RNN2 = nn.Sequential(nn.Conv2d(width, 2, 3, padding=1, bias=False))
        self.SR = nn.Sequential(_Cascade(3, width), *_upsampler(scale, width, 2, bias=False))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        dtype = weights_dtype(self)
        pair = avg_pool2d(torch.cat([first, second], 1), 2)
        features = self.RNN1(torch.cat([pair, torch.zeros_like(pair)], 1).to(dtype))
        flow = _enlarge(self.RNN2(features).to(first.dtype), 2)
        features = self.RNN1(torch.cat([_warp(first, flow), second, flow], 1).to(dtype))
        flow = flow + self.RNN2(features).to(first.dtype)
        features = self.RNN1(torch.cat([_warp(first, flow), second, flow], 1).to(dtype))
        detail: Tensor = self.SR(features)
        return detail.to(first.dtype) + _enlarge(flow, self.scale)


class _ImageNetwork(nn.Module):
    def __init__(self, scale: int, width: int, num_frames: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(scale**2 * (num_frames - 1) + 1, width, 3, padding=1, bias=False),
            nn.LeakyReLU(_SLOPE),
            _Cascade(8, width),
            *_upsampler(scale, width, 1, bias=True),
        )

    def forward(self, drafts: Tensor) -> Tensor:
        result: Tensor = self.body(drafts)
        return result


def _enlarge(flow: Tensor, factor: int) -> Tensor:
    return factor * interpolate(flow, scale_factor=factor, mode="bilinear", align_corners=False)


def _warp(image: Tensor, flow: Tensor) -> Tensor:
    return flow_warp(image, _UNIT_PX * flow, padding_mode="border")


class SOFVSR(WindowUpscaler):
    """``num_frames`` frames; its flow may reach anywhere, so it is given whole images."""

    multiple = 2

    def __init__(self, scale: int, *, width: int = 320, num_frames: int = 3) -> None:
        super().__init__()
        self.scale, self.context_px = scale, None
        self.radius_frames, self.in_channels = num_frames // 2, num_frames
        self.OFR, self.SR = _FlowNetwork(scale, width), _ImageNetwork(scale, width, num_frames)

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, num_frames, H, W)`` in 0…1, even sides → ``(B, 1, scale·H, scale·W)``."""
        middle = frames[:, self.radius_frames, None]
        drafts = [middle]
        for number, frame in enumerate(torch.split(frames, 1, 1)):
            if number != self.radius_frames:
                places = pixel_unshuffle(self.OFR(frame, middle) / self.scale, self.scale)
                flows = torch.unflatten(places, 1, (2, self.scale**2)).unbind(2)
                drafts += [_warp(frame, flow) for flow in flows]
        result: Tensor = self.SR(torch.cat(drafts, 1).to(weights_dtype(self)))
        return result.to(frames.dtype)


def recognise_sofvsr(shapes: Shapes) -> Found | None:
    """Of any width and number of frames, for the scale that its last layers show."""
    width, drafts = shapes["SR.body.0.weight"][:2]
    if shapes["OFR.RNN1.0.weight"] != (width, 4, 3, 3) or shapes["OFR.RNN2.0.weight"] != (2, width, 3, 3):
        return None
    scale = 4 if "SR.body.9.weight" in shapes else round((shapes["SR.body.3.weight"][0] / _AT_END) ** 0.5)
    if scale not in _FACTORS:
        return None
    return Found("sof-vsr", (scale,), lambda scale: SOFVSR(scale, width=width, num_frames=(drafts - 1) // scale**2 + 1))


SPECS = (
    network_spec(
        "sof-vsr",
        "Wang, Guo, Liu, Lin, Deng, An, TIP 2020: SOF-VSR, super-resolved optical flow",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=SOFVSR,
        parameters=(945_729, 1_179_329, 1_047_617),
        recognise=recognise_sofvsr,
        family="window",
    ),
)
"""As published: 1.05M at ×4."""
