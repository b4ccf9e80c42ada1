"""DBDN: layers are densely joined within blocks, and blocks among each other.

Wang, Shen, Zhang, "Deep bi-dense networks for image super-resolution", DICTA 2018. Post-upsampling by a
deconvolution, RGB, 0…255 less the mean of DIV2K. 16 blocks of eight 3×3 layers with growth 64; a 1×1 layer brings
each block, and what each block is given of all before it, back to 64 channels. Built from the paper's text; names are
ours, no weights are to be had. Figures on Set5: 38.30 / 34.76 / 32.54 dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from vsr.networks.base import Found, Shapes
from vsr.networks.blocks import ShiftedUpscaler, count
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec

__all__ = ["DBDN", "SPECS", "BiDense", "recognise_dbdn"]

_KERNELS = {2: (6, 2, 2), 3: (9, 3, 3), 4: (8, 4, 2)}  # of the deconvolution: size, stride, padding


class _DenseBlock(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d((number + 1) * width, width, 3, padding=1) for number in range(layers))
        self.compress = nn.Conv2d((layers + 1) * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        seen = features
        for layer in self.layers:
            seen = torch.cat((seen, relu(layer(seen))), 1)
        result: Tensor = self.compress(seen)
        return result + features


class BiDense(nn.Module):
    """``blocks`` dense blocks, each given all before it, and what they found together."""

    def __init__(self, blocks: int, layers: int, width: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_DenseBlock(width, layers) for _ in range(blocks))
        self.joins = nn.ModuleList(nn.Conv2d((number + 2) * width, width, 1) for number in range(blocks))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        seen, given = features, features
        for block, join in zip(self.blocks, self.joins, strict=True):
            seen = torch.cat((seen, block(given)), 1)
            given = join(seen)
        return given + features

    @staticmethod
    def footprint(before: Footprint, blocks: int, layers: int) -> Footprint:
        """What its result depends on."""
        return before.conv(3, times=blocks * layers)


class DBDN(ShiftedUpscaler):
    """Two layers, the bi-dense body, a deconvolution, exit."""

    def __init__(self, scale: int, *, blocks: int = 16, layers: int = 8, width: int = 64) -> None:
        super().__init__(scale)
        body = BiDense.footprint(INPUT.conv(3, times=2), blocks, layers)
        self.context_px = body.deconv(*_KERNELS[scale]).conv(3).context_px
        self.entry = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1))
        self.bi_dense = BiDense(blocks, layers, width)
        self.deconvolution = nn.ConvTranspose2d(width, width, *_KERNELS[scale])
        self.exit = nn.Conv2d(width, 3, 3, padding=1)

    def enlarged(self, shifted: Tensor) -> Tensor:
        """See `ShiftedUpscaler`."""
        result: Tensor = self.exit(relu(self.deconvolution(self.bi_dense(self.entry(shifted)))))
        return result


def recognise_dbdn(shapes: Shapes) -> Found | None:
    """DBDN of any width and depth."""
    blocks, layers = count(shapes, "bi_dense.joins.", ".weight"), count(shapes, "bi_dense.blocks.0.layers.", ".weight")
    width, kernel = shapes["deconvolution.weight"][1:3]
    scale = {kernel: scale for scale, (kernel, _, _) in _KERNELS.items()}[kernel]
    return Found("dbdn", (scale,), lambda scale: DBDN(scale, blocks=blocks, layers=layers, width=width))


SPECS = (
    network_spec(
        "dbdn",
        "Wang, Shen, Zhang, DICTA 2018: DBDN, 16 blocks of 8 layers",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=DBDN,
        parameters=(22_644_315, 22_828_635, 22_759_003),
        recognise=recognise_dbdn,
        value_range=255,
    ),
)
"""As its text describes it."""
