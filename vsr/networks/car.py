"""CAR: an image resampled by kernels that a network chooses for each small pixel, and EDSR for the way back.

Sun, Chen, "Learned image downscaling for upscaling using content adaptive resampler", TIP 2020. Post-upsampling, RGB,
0…1 less the mean of DIV2K. For each small pixel the resampler gives a kernel of (3·scale + 1)² taps that add up to 1
and how far each is moved, up to ``scale`` pixels either way; what it gives lies within the pixels around, so that
small images look like interpolated ones. With EDSR 51.4M (×2) and 53.0M (×4) parameters. Names as in the authors'
PyTorch code, their ``kgn.pth`` below ``kgn.`` and ``usn.pth`` below ``usn.``. Figures on Set5, from its own small
images in 8 bits: 38.94 / 33.88 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, pad

from vsr.networks.base import Found, RescalingUpscaler, Shapes
from vsr.networks.blocks import MeanShift, count, upsampler_scale, weights_dtype
from vsr.networks.edsr import EDSR
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec

__all__ = ["CAR", "SPECS", "recognise_car", "resample_by"]

_COARSEST = 8  # pixels of the large image between the resampler's coarsest features
_RES_BLOCKS = 5
_SLOPE = 0.2
_LEAST_WEIGHT = 1e-6  # of a tap, before they are made to add up to 1


def _taps(scale: int) -> int:
    """A side of the kernels."""
    return 3 * scale + 1


class _Halve(nn.Module):
    """Pixels of 2 × 2 blocks on the channels, mixed by a 1×1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.downsample = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * inputs, outputs, 1))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, inputs, 2·H, 2·W)`` → ``(B, outputs, H, W)``."""
        result: Tensor = self.downsample(features)
        return result


class _Enlarge(nn.Module):
    """The reverse."""

    def __init__(self, factor: int, width: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential(nn.Conv2d(width, width * factor * factor, 1), nn.PixelShuffle(factor))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → ``(B, width, factor·H, factor·W)``."""
        result: Tensor = self.upsample(features)
        return result


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(*_padded(width, width), nn.LeakyReLU(_SLOPE), *_padded(width, width))

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        result: Tensor = features + self.transform(features)
        return result


def _padded(inputs: int, outputs: int, size: int = 3) -> list[nn.Module]:
    """A convolution beyond whose edge the image is mirrored."""
    return [nn.ReflectionPad2d(size // 2), nn.Conv2d(inputs, outputs, size)]


def _trunk(factor: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [*_padded(width, width), nn.ReLU()]
    return nn.Sequential(*layers, _Enlarge(factor, width), *_padded(width, width), nn.ReLU())


def _head(width: int, outputs: int, *last: nn.Module) -> nn.Sequential:
    return nn.Sequential(*_padded(width, width), nn.ReLU(), *_padded(width, outputs), *last)


class _Resampler(nn.Module):
    """What each small pixel is made of."""

    def __init__(self, scale: int, width: int) -> None:
        super().__init__()
        taps = _taps(scale) ** 2
        self.sub_mean = MeanShift(-1, 1.0)
        self.ds_1 = nn.Sequential(*_padded(3, width, 5), nn.LeakyReLU(_SLOPE))
        self.ds_2, self.ds_4 = _Halve(width, 2 * width), _Halve(2 * width, 2 * width)
        self.res_4 = nn.Sequential(*(_Residual(2 * width) for _ in range(_RES_BLOCKS)))
        self.ds_8 = _Halve(2 * width, 4 * width)
        self.kernels_trunk = _trunk(_COARSEST // scale, 4 * width)
        self.kernels_weight = _head(4 * width, taps)
        self.offsets_trunk = _trunk(_COARSEST // scale, 4 * width)
        self.offsets_h_generation = _head(4 * width, taps, nn.Tanh())
        self.offsets_v_generation = _head(4 * width, taps, nn.Tanh())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, 3, scale·H, scale·W)`` in 0…1 → kernels, and by how much their taps are moved across and down.

        Each is ``(B, taps, H, W)``, row by row; kernels add up to 1, and 1 is a move by ``scale`` pixels.
        """
        shifted: Tensor = self.sub_mean(images)
        features = self.ds_4(self.ds_2(self.ds_1(shifted.to(weights_dtype(self.ds_1)))))
        features = self.ds_8(features + self.res_4(features))
        weights = self.kernels_weight(self.kernels_trunk(features)).to(images.dtype).clamp(_LEAST_WEIGHT, 1)
        moves = self.offsets_trunk(features)
        across, down = self.offsets_h_generation(moves), self.offsets_v_generation(moves)
        return weights / weights.sum(1, keepdim=True), across.to(images.dtype), down.to(images.dtype)


def resample_by(images: Tensor, kernels: Tensor, across: Tensor, down: Tensor, scale: int) -> Tensor:
    """``images`` ``(B, C, scale·H, scale·W)`` by kernels ``(B, taps, H, W)`` and moves in pixels → ``(B, C, H, W)``.

    A kernel's middle tap lies on the middle of the small pixel; ``scale`` is even. Between pixels values are bilinear,
    beyond the edge the image is mirrored.
    """
    side = _taps(scale)
    edge = side // 2
    around = pad(images, (edge,) * 4, mode="reflect")
    last_y, last_x = (size - 1 for size in around.shape[-2:])
    rows, columns = (_middles(size, scale, images) for size in kernels.shape[-2:])
    total = torch.zeros_like(images[..., : kernels.shape[-2], : kernels.shape[-1]])
    for tap in range(side * side):
        y = rows[:, None] + tap // side + down[:, tap]
        x = columns + tap % side + across[:, tap]
        places = torch.stack([2 * x / last_x - 1, 2 * y / last_y - 1], -1)
        values = grid_sample(around, places, mode="bilinear", padding_mode="border", align_corners=True)
        total = total + kernels[:, tap : tap + 1] * values
    return total


def _middles(count_px: int, scale: int, like: Tensor) -> Tensor:
    """Where small pixels lie, in pixels of the large image."""
    return (torch.arange(count_px, dtype=like.dtype, device=like.device) + 0.5) * scale - 0.5


class CAR(RescalingUpscaler):
    """The resampler and an EDSR of any size, ×2 or ×4."""

    def __init__(self, scale: int, *, blocks: int = 32, width: int = 256, resampler_width: int = 64) -> None:
        super().__init__()
        if scale not in (2, 4):
            raise ValueError(f"makes images 2 or 4 times smaller, not {scale}")
        self.scale = scale
        self.kgn = _Resampler(scale, resampler_width)
        self.usn = EDSR(scale, num_blocks=blocks, width=width, res_scale=0.1)
        self.context_px = self.usn.context_px
        self.downscale_context_px = _resampler_footprint(scale).context_px
        self.downscale_multiple = _COARSEST // scale
        self.downscale_min_size = 2 * _COARSEST // scale  # two of the coarsest features, so that one can be mirrored

    def finish_loading(self) -> None:
        """As EDSR."""
        self.usn.finish_loading()

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        result: Tensor = self.usn(images)
        return result

    def downscale(self, images: Tensor) -> Tensor:
        """``(B, 3, scale·H, scale·W)`` in 0…1, sides multiples of 8 from 16 on, → ``(B, 3, H, W)``, unrounded."""
        kernels, across, down = self.kgn(images)
        return resample_by(images, kernels, self.scale * across, self.scale * down, self.scale)


def _resampler_footprint(scale: int) -> Footprint:
    """What kernels depend on, in small pixels; the pixels that they weigh lie within."""
    full = INPUT.in_periods(_COARSEST // scale).shuffle(scale).conv(5)
    quarter = full.strided(2, 2, 0).strided(2, 2, 0).conv(3, times=2 * _RES_BLOCKS)
    return quarter.strided(2, 2, 0).conv(3, times=3).shuffle(_COARSEST // scale).conv(3, times=3)


def recognise_car(shapes: Shapes) -> Found | None:
    """CAR with an EDSR of any size."""
    resampler_width = shapes["kgn.ds_1.1.weight"][0]
    width, blocks = shapes["usn.head.0.weight"][0], count(shapes, "usn.body.", ".body.0.weight")
    scale = upsampler_scale(shapes, "usn.tail.0.", width)
    if shapes["kgn.kernels_weight.4.weight"][0] != _taps(scale) ** 2:
        return None
    return Found("car", (scale,), lambda scale: CAR(scale, blocks=blocks, width=width, resampler_width=resampler_width))


SPECS = (
    network_spec(
        "car",
        "Sun, Chen, TIP 2020: CAR, a content-adaptive resampler, with EDSR",
        "post-upsampling",
        scales=(2, 4),
        colour="RGB",
        build=CAR,
        parameters=(51_375_290, 52_986_402),
        recognise=recognise_car,
        family="rescaling",
    ),
)
"""As published."""
