"""RDN: residual blocks of densely joined layers.

Zhang, Tian, Kong, Zhong, Fu, "Residual dense network for image super-resolution", CVPR 2018. Post-upsampling, RGB.
Names as in EDSR-PyTorch (values 0…255) or in the files of yjn870 (values 0…1). D = 16 blocks, C = 8 layers, growth G
= 64: 22,123,395 (×2), 22,308,035 (×3), 22,271,107 (×4) learnt (22.1M, 22.3M). Figures on Set5: 38.24 / 34.71 / 32.47
dB.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["RDN", "SPECS", "RDNBody", "recognise_rdn"]


class _DenseConv(nn.Module):
    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(inputs, growth, 3, padding=1), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat((features, self.conv(features)), 1)


class _DenseBlock(nn.Module):
    def __init__(self, width: int, growth: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(_DenseConv(width + index * growth, growth) for index in range(layers)))
        self.LFF = nn.Conv2d(width + layers * growth, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        fused: Tensor = self.LFF(self.convs(features))
        return fused + features


def _upsampler(scale: int, width: int, growth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = width
    for factor in (2, 2) if scale == 4 else (scale,):
        layers += [nn.Conv2d(inputs, factor * factor * growth, 3, padding=1), nn.PixelShuffle(factor)]
        inputs = growth
    return nn.Sequential(*layers, nn.Conv2d(growth, 3, 3, padding=1))


class RDNBody(nn.Module):
    """Two shallow layers and ``blocks`` dense blocks whose results are all fused: features at the small size."""

    def __init__(self, *, blocks: int, layers: int, growth: int, width: int) -> None:
        super().__init__()
        self.SFENet1 = nn.Conv2d(3, width, 3, padding=1)
        self.SFENet2 = nn.Conv2d(width, width, 3, padding=1)
        self.RDBs = nn.ModuleList(_DenseBlock(width, growth, layers) for _ in range(blocks))
        self.GFF = nn.Sequential(nn.Conv2d(blocks * width, width, 1), nn.Conv2d(width, width, 3, padding=1))

    def body(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in the type of the weights → ``(B, width, H, W)``."""
        shallow = self.SFENet1(images)
        features = self.SFENet2(shallow)
        fused = []
        for block in self.RDBs:
            features = block(features)
            fused.append(features)
        result: Tensor = self.GFF(torch.cat(fused, 1)) + shallow
        return result

    def forward(self, images: Tensor) -> Tensor:
        """See `body`."""
        return self.body(images)


class RDN(RDNBody, Upscaler):
    """The body, then upsampling."""

    def __init__(
        self,
        scale: int,
        *,
        blocks: int = 16,
        layers: int = 8,
        growth: int = 64,
        width: int = 64,
        value_range: float = 255.0,
    ) -> None:
        super().__init__(blocks=blocks, layers=layers, growth=growth, width=width)
        self.scale = scale
        self._value_range = value_range
        footprint = INPUT.conv(3, times=2 + blocks * layers + 1)
        for factor in (2, 2) if scale == 4 else (scale,):
            footprint = footprint.conv(3).shuffle(factor)
        self.context_px = footprint.conv(3).context_px
        self.UPNet = _upsampler(scale, width, growth)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        result: Tensor = self.UPNet(self.body((images * self._value_range).to(self.SFENet1.weight.dtype)))
        return result.to(images.dtype) / self._value_range


_OTHER_NAMES = (
    ("sfe1.", "SFENet1."),
    ("sfe2.", "SFENet2."),
    ("rdbs.", "RDBs."),
    (".layers.", ".convs."),
    (".conv.", ".conv.0."),
    (".lff.", ".LFF."),
    ("gff.", "GFF."),
    ("upscale.0.", "UPNet."),
    ("upscale.1.0.", "UPNet.2."),
)


def _rename(name: str, last: int) -> str:
    """A name of yjn870's files, in EDSR-PyTorch's; ``last`` is the place of the last layer in ``UPNet``."""
    for theirs, ours in (*_OTHER_NAMES, ("output.", f"UPNet.{last}.")):
        name = name.replace(theirs, ours)
    return name


def recognise_rdn(shapes: Shapes) -> Found | None:
    """RDN of any size, under the names of EDSR-PyTorch or of yjn870."""
    theirs = "sfe1.weight" in shapes
    last = 4 if "upscale.1.0.weight" in shapes else 2
    rename = partial(_rename, last=last) if theirs else str
    shapes = {rename(name): shape for name, shape in shapes.items()}
    width, growth = shapes["SFENet1.weight"][0], shapes["RDBs.0.convs.0.conv.0.weight"][0]
    blocks = count(shapes, "RDBs.", ".LFF.weight")
    layers = count(shapes, "RDBs.0.convs.", ".conv.0.weight")
    if shapes["SFENet1.weight"][1:] != (3, 3, 3):
        return None
    scale = {4 * growth: 2, 9 * growth: 3}[shapes["UPNet.0.weight"][0]] * (2 if "UPNet.4.weight" in shapes else 1)
    value_range = 1.0 if theirs else 255.0
    return Found(
        "rdn",
        (scale,),
        lambda scale: RDN(scale, blocks=blocks, layers=layers, growth=growth, width=width, value_range=value_range),
        rename,
    )


SPECS = (
    network_spec(
        "rdn",
        "Zhang, Tian, Kong, Zhong, Fu, CVPR 2018: RDN, D16 C8 G64",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=RDN,
        parameters=(22_123_395, 22_308_035, 22_271_107),
        recognise=recognise_rdn,
        value_range=255,
    ),
)
"""As published."""
