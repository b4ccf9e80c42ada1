"""ProSR: an asymmetric pyramid of densely joined layers, most of them at the smallest size.

Wang, Perazzi, McWilliams, Sorkine-Hornung, Sorkine-Hornung, Schroers, "A fully progressive approach to single-image
super-resolution", CVPRW 2018. Progressive: each doubling has its own dense blocks, its own sub-pixel layer and its own
reconstruction, whose result is added to the bicubic enlargement. RGB, 0…255 less a mean and over a spread that the file
holds. Convolutions mirror their border. Layers are ReLU, 1×1 to four times the growth, ReLU, 3×3; between blocks a 1×1
layer keeps 40 % of the channels. ProSR-s: 24 channels, growth 12, four blocks of six layers at ×2: 849,059 numbers, and
37.86 dB on Set5 as measured here (the paper gives none for it). Names as in the authors' PyTorch code; files of MXNet
that were made from it (Super-Resolution-Zoo) load as they are. No file of the large one, nor of other scales, was seen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, pixel_shuffle

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import KeepsFloat32, count, doublings, enlarge, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "ProSR", "prosr_small", "recognise_prosr"]

_RANGE = 255.0
_KEPT = 0.4  # of the channels between blocks
_BOTTLENECK = 4  # times the growth
_MEAN = (0.4488, 0.4371, 0.4040)


class _Normalise(KeepsFloat32, nn.Conv2d):
    """From 0…1 to 0…255 less the mean, as a 1×1 convolution that is not trained."""

    def __init__(self) -> None:
        super().__init__(3, 3, 1)
        assert self.bias is not None
        self.weight.data = _RANGE * torch.eye(3).reshape(3, 3, 1, 1)
        self.bias.data = -_RANGE * torch.tensor(_MEAN)
        self.requires_grad_(False)


class _Mirrored(nn.Module):
    """A 3×3 convolution that mirrors its border, or repeats it where there is nothing to mirror."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.ModuleDict({"1": nn.Conv2d(inputs, outputs, 3)})

    def forward(self, features: Tensor) -> Tensor:
        mode = "reflect" if min(features.shape[-2:]) > 1 else "replicate"
        result: Tensor = self.conv["1"](pad(features, (1, 1, 1, 1), mode=mode))
        return result


class _DenseLayer(nn.Module):
    """1×1, ReLU, 3×3, joined to what was given. Its inputs are rectified by no layer of its own."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, _BOTTLENECK * growth, 1)
        self.conv_2 = _Mirrored(_BOTTLENECK * growth, growth)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat((features, self.conv_2(torch.relu(self.conv_1(features)))), 1)


class _DenseBlock(nn.Module):
    def __init__(self, inputs: int, growth: int, layers: int, outputs: int | None) -> None:
        super().__init__()
        dense = {f"denselayer{number + 1}": _DenseLayer(inputs + number * growth, growth) for number in range(layers)}
        self.dense = nn.ModuleDict(dense)
        joined = inputs + layers * growth
        self.comp = nn.ModuleDict({"conv1": nn.Conv2d(joined, outputs, 1, bias=False)} if outputs else {})

    def forward(self, features: Tensor) -> Tensor:
        for layer in self.dense.values():
            features = layer(features)
        for compress in self.comp.values():
            features = compress(features)
        return features


class _Wrapped(nn.Module):
    """A convolution one name further down, as the files have it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.final_conv = _Mirrored(inputs, outputs)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.final_conv(features)
        return result


class _Upsampler(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.m = nn.ModuleList([_Mirrored(width, 4 * width)])

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(pixel_shuffle(self.m[0](features), 2))


class ProSR(Upscaler):
    """``blocks`` dense blocks of ``layers`` at each size, the smallest first; as many sizes as doublings."""

    def __init__(self, scale: int, *, width: int, growth: int, blocks: tuple[int, ...], layers: int) -> None:
        super().__init__()
        self.scale = scale
        self._levels = range(1, doublings(scale) + 1)
        self.sub_mean = _Normalise()
        self.init_conv_1 = _Mirrored(3, width)
        footprint = INPUT.conv(3)
        for level in self._levels:
            block_list = nn.Module()
            for number in range(blocks[level - 1]):
                joined = width + layers * growth
                is_last = number == blocks[level - 1] - 1
                outputs = None if is_last else int(_KEPT * joined)
                block_list.add_module(f"denseblock_{number + 1}", _DenseBlock(width, growth, layers, outputs))
                width = outputs or joined
            block_list.add_module("final_conv", _Wrapped(width, width))
            self.add_module(f"pyramid_residual_{level}", block_list)
            self.add_module(f"pyramid_residual_{level}_residual_upsampler", _Upsampler(width))
            footprint = footprint.conv(3, times=blocks[level - 1] * layers + 2).shuffle(2)
        self.add_module(f"reconst_{len(self._levels)}", _Wrapped(width, 3))
        self.context_px = footprint.conv(3).join(INPUT.enlarged(scale, 2)).context_px

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        shifted: Tensor = self.sub_mean(images)
        features = self.init_conv_1(shifted.to(weights_dtype(self.init_conv_1)))
        for level in self._levels:
            for block in self.get_submodule(f"pyramid_residual_{level}").children():
                features = block(features)
            features = self.get_submodule(f"pyramid_residual_{level}_residual_upsampler")(features)
        residual: Tensor = self.get_submodule(f"reconst_{len(self._levels)}")(features)
        return enlarge(images, self.scale) + residual.to(images.dtype) / _RANGE


def prosr_small(scale: int) -> ProSR:
    """ProSR-s for ×2."""
    return ProSR(scale, width=24, growth=12, blocks=(4,), layers=6)


def recognise_prosr(shapes: Shapes) -> Found | None:
    """ProSR of any width, for the scale that the file ends with."""
    levels = count(shapes, "pyramid_residual_", ".final_conv.final_conv.conv.1.weight", first=1)
    width, growth = shapes["init_conv_1.conv.1.weight"][0], _growth(shapes)
    blocks = tuple(
        count(shapes, f"pyramid_residual_{level}.denseblock_", ".dense.denselayer1.conv_1.weight", first=1)
        for level in range(1, levels + 1)
    )
    layers = count(shapes, "pyramid_residual_1.denseblock_1.dense.denselayer", ".conv_1.weight", first=1)
    if not levels or not layers:
        return None

    def build(scale: int) -> ProSR:
        return ProSR(scale, width=width, growth=growth, blocks=blocks, layers=layers)

    return Found("prosr-s", (2**levels,), build)


def _growth(shapes: Shapes) -> int:
    return shapes["pyramid_residual_1.denseblock_1.dense.denselayer1.conv_2.conv.1.weight"][0]


SPECS = (
    network_spec(
        "prosr-s",
        "Wang et al., CVPRW 2018: ProSR-s, 4 blocks of 6 layers",
        "progressive",
        scales=(2,),
        colour="RGB",
        build=prosr_small,
        parameters=849_059,
        recognise=recognise_prosr,
        value_range=255,
    ),
)
"""What is published of it: the first doubling of the small one."""
