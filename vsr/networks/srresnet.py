"""SRResNet: residual blocks with batch normalisation; the generator of SRGAN.

Ledig et al., "Photo-realistic single image super-resolution using a generative adversarial network", CVPR 2017.
Post-upsampling, RGB, 0…1 in, tanh out. Names as in the PyTorch code of leftthomas, which numbers its blocks through;
one slope for each PReLU. Sixteen blocks and ×4 as in the paper: 1,549,462 (1.5M) learnt numbers. The files of
leftthomas have five blocks, and the older of them a PReLU in place of the last batch normalisation: 734,092 learnt at
×4, 586,379 at ×2. Figures of the paper, ×4: SRResNet 32.05 / SRGAN 29.40 dB on Set5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, Upscaler
from vsr.networks.blocks import count, doublings, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SRResNet", "recognise_srresnet"]


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, features: Tensor) -> Tensor:
        residual: Tensor = self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(features)))))
        return features + residual


class _Upsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, 4 * width, 3, padding=1)
        self.pixel_shuffle = nn.PixelShuffle(2)
        self.prelu = nn.PReLU()

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.prelu(self.pixel_shuffle(self.conv(features)))
        return result


class SRResNet(Upscaler):
    """9×9, ``num_blocks`` residual blocks, one more layer, ×2 steps, 9×9."""

    def __init__(self, scale: int, *, num_blocks: int = 16, width: int = 64, norm_after: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self._num_blocks = num_blocks
        self.block1 = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        for index in range(num_blocks):
            self.add_module(f"block{index + 2}", _Block(width))
        last = nn.BatchNorm2d(width) if norm_after else nn.PReLU()
        self.add_module(f"block{num_blocks + 2}", nn.Sequential(nn.Conv2d(width, width, 3, padding=1), last))
        steps = doublings(scale)
        tail = [*(_Upsample(width) for _ in range(steps)), nn.Conv2d(width, 3, 9, padding=4)]
        self.add_module(f"block{num_blocks + 3}", nn.Sequential(*tail))
        footprint = INPUT.conv(9).conv(3, times=2 * num_blocks + 1)
        for _ in range(steps):
            footprint = footprint.conv(3).shuffle(2)
        self.context_px = footprint.conv(9).context_px

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)`` in 0…1."""
        first = self.block1(images.to(weights_dtype(self)))
        features = first
        for index in range(2, self._num_blocks + 3):
            features = self.get_submodule(f"block{index}")(features)
        result: Tensor = self.get_submodule(f"block{self._num_blocks + 3}")(first + features)
        return (torch.tanh(result.to(images.dtype)) + 1) / 2


def recognise_srresnet(shapes: Shapes) -> Found | None:
    """SRResNet of any width and number of blocks, with batch normalisation or PReLU after the last of them."""
    width = shapes["block1.0.weight"][0]
    num_blocks = count(shapes, "block", ".bn1.weight", first=2)
    norm_after = f"block{num_blocks + 2}.1.running_mean" in shapes
    steps = sum(name.startswith(f"block{num_blocks + 3}.") and name.endswith(".conv.weight") for name in shapes)
    if shapes["block1.0.weight"][1:] != (3, 9, 9) or num_blocks == 0 or steps == 0:
        return None
    return Found(
        "srresnet",
        (2**steps,),
        lambda scale: SRResNet(scale, num_blocks=num_blocks, width=width, norm_after=norm_after),
    )


SPECS = (
    network_spec(
        "srresnet",
        "Ledig et al., CVPR 2017: SRResNet, the generator of SRGAN, 16 blocks",
        "post-upsampling",
        scales=(2, 4, 8),
        colour="RGB",
        build=SRResNet,
        parameters=(1_401_749, 1_549_462, 1_697_175),
        recognise=recognise_srresnet,
    ),
)
"""As published."""
