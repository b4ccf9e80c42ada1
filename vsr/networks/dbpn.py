"""DBPN: goes up and down again and again, and learns from what each return misses.

Haris, Shakhnarovich, Ukita, "Deep back-projection networks for super-resolution", CVPR 2018. Iterative, RGB, 0…1.
Names as in the authors' PyTorch code. D-DBPN, 7 up and 6 down stages with dense joints: 5,953,526 (×2), 10,426,358
(×4: the paper's 10.4M), 23,205,878 (×8) learnt; DBPNLL has 10 stages. Figures on Set5: ×2 38.09, ×4 32.47, ×8 27.21
dB.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count
from vsr.networks.footprint import INPUT, Footprint
from vsr.networks.spec import network_spec

__all__ = ["DBPN", "PROJECTION", "SPECS", "recognise_dbpn"]

PROJECTION: dict[int, tuple[int, int, int]] = {2: (6, 2, 2), 3: (7, 3, 2), 4: (8, 4, 2), 8: (12, 8, 2)}
"""Kernel, stride and padding of the layers between the sizes, by scale."""


class _Conv(nn.Module):
    def __init__(self, inputs: int, outputs: int, size: int = 1, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding)
        self.act = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.act(self.conv(features))
        return result


class _Deconv(nn.Module):
    def __init__(self, width: int, size: int, stride: int, padding: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(width, width, size, stride, padding)
        self.act = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.act(self.deconv(features))
        return result


class _Up(nn.Module):
    """Up; down again; what differs, up, is added. A 1×1 layer first if it takes the maps of several stages."""

    def __init__(self, width: int, scale: int, stages: int) -> None:
        super().__init__()
        self.conv = _Conv(width * stages, width) if stages > 1 else nn.Identity()
        self.up_conv1 = _Deconv(width, *PROJECTION[scale])
        self.up_conv2 = _Conv(width, width, *PROJECTION[scale])
        self.up_conv3 = _Deconv(width, *PROJECTION[scale])

    def forward(self, features: Tensor) -> Tensor:
        low = self.conv(features)
        high: Tensor = self.up_conv1(low)
        missed: Tensor = self.up_conv3(self.up_conv2(high) - low)
        return missed + high


class _Down(nn.Module):
    """The same from above."""

    def __init__(self, width: int, scale: int, stages: int) -> None:
        super().__init__()
        self.conv = _Conv(width * stages, width) if stages > 1 else nn.Identity()
        self.down_conv1 = _Conv(width, width, *PROJECTION[scale])
        self.down_conv2 = _Deconv(width, *PROJECTION[scale])
        self.down_conv3 = _Conv(width, width, *PROJECTION[scale])

    def forward(self, features: Tensor) -> Tensor:
        high = self.conv(features)
        low: Tensor = self.down_conv1(high)
        missed: Tensor = self.down_conv3(self.down_conv2(low) - high)
        return missed + low


class _Output(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 3, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.conv(features)
        return result


class DBPN(Upscaler):
    """Two layers of features, ``stages`` ups and one down less in turn, a layer over all maps of the large size."""

    def __init__(self, scale: int, *, stages: int = 7, width: int = 64, first: int = 256) -> None:
        super().__init__()
        self.scale = scale
        self._stages = stages
        self.context_px = _context(scale, stages)
        self.feat0 = _Conv(3, first, 3, 1, 1)
        self.feat1 = _Conv(first, width)
        for stage in range(1, stages + 1):
            self.add_module(f"up{stage}", _Up(width, scale, max(1, stage - 1)))
            if stage < stages:
                self.add_module(f"down{stage}", _Down(width, scale, stage))
        self.output_conv = _Output(stages * width)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        features = self.feat1(self.feat0(images.to(self.output_conv.conv.weight.dtype)))
        high: Tensor = self.get_submodule("up1")(features)
        low: Tensor = self.get_submodule("down1")(high)
        high = torch.cat((self.get_submodule("up2")(low), high), 1)
        for stage in range(2, self._stages):
            low_next = self.get_submodule(f"down{stage}")(high)
            low = torch.cat((low_next, low), 1)
            high = torch.cat((self.get_submodule(f"up{stage + 1}")(low), high), 1)
        result: Tensor = self.output_conv(high)
        return result.to(images.dtype)


def _context(scale: int, stages: int) -> int:
    projection = PROJECTION[scale]

    def up(low: Footprint) -> Footprint:
        high = low.deconv(*projection)
        return high.strided(*projection).join(low).deconv(*projection).join(high)

    def down(high: Footprint) -> Footprint:
        low = high.strided(*projection)
        return low.deconv(*projection).join(high).strided(*projection).join(low)

    footprint = up(INPUT.conv(3))
    for _ in range(stages - 1):
        footprint = up(down(footprint)).join(footprint)
    return footprint.conv(3).context_px


def recognise_dbpn(shapes: Shapes) -> Found | None:
    """DBPN of any width and at least three stages."""
    first, width = shapes["feat0.conv.weight"][0], shapes["feat1.conv.weight"][0]
    by_kernel = {kernel: scale for scale, (kernel, _, _) in PROJECTION.items()}
    scale = by_kernel[shapes["up1.up_conv1.deconv.weight"][2]]
    stages = count(shapes, "up", ".up_conv1.deconv.weight", first=1)
    if shapes["feat0.conv.weight"][1:] != (3, 3, 3) or stages < 3:
        return None
    return Found("dbpn", (scale,), lambda scale: DBPN(scale, stages=stages, width=width, first=first))


SPECS = (
    network_spec(
        "dbpn",
        "Haris, Shakhnarovich, Ukita, CVPR 2018: D-DBPN, 7 stages",
        "iterative",
        scales=(2, 4, 8),
        colour="RGB",
        build=DBPN,
        parameters=(5_953_526, 10_426_358, 23_205_878),
        recognise=recognise_dbpn,
    ),
)
"""As published."""
