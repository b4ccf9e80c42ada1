"""VESPCN without its motion compensation: three frames fused by the first layer, enlarged by rearranging channels.

Caballero et al., "Real-time video super-resolution with spatio-temporal networks and motion compensation", CVPR 2017,
there early fusion of three frames in five layers (5L-E3). Post-upsampling, Y, 0…1. 17,164 numbers at ×2. Names and
layers as in the TensorFlow code of HighVoltageRocknRoll (FFmpeg's filter ``sr``), whose weights are a training of their
own, on other data than the paper's and without motion compensation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.networks.base import Found, Shapes, WindowUpscaler
from vsr.networks.blocks import count, weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "VESPCN", "recognise_vespcn"]


def _mirror(size: int, reach: int) -> Tensor:
    """Places ``-reach`` to ``size + reach`` of an axis mirrored at its ends, the outermost pixels twice."""
    place = torch.arange(-reach, size + reach) % (2 * size)
    return torch.minimum(place, 2 * size - 1 - place)


class VESPCN(WindowUpscaler):
    """``depth`` 3×3 convolutions with ReLU between them, pixel shuffle; the border of the frames is mirrored."""

    def __init__(self, scale: int, *, width: int = 24, depth: int = 5, num_frames: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.context_px = INPUT.conv(3, times=depth).context_px
        self.radius_frames, self.in_channels = num_frames // 2, num_frames
        self._depth = depth
        inputs = num_frames
        self.vespcn = nn.Module()
        for number in range(1, depth + 1):
            outputs = scale**2 if number == depth else width
            self.vespcn.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, 3))
            inputs = outputs

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, num_frames, H, W)`` in 0…1 → ``(B, 1, scale·H, scale·W)``."""
        height, width = frames.shape[-2:]
        rows, columns = (_mirror(int(size), self._depth).to(frames.device) for size in (height, width))
        features = frames.index_select(-2, rows).index_select(-1, columns).to(weights_dtype(self))
        for number in range(1, self._depth + 1):
            features = self.vespcn.get_submodule(f"conv{number}")(features)
            features = features.relu() if number < self._depth else features
        return nn.functional.pixel_shuffle(features, self.scale).to(frames.dtype)


def recognise_vespcn(shapes: Shapes) -> Found | None:
    """Of any width, depth and number of frames."""
    depth = count(shapes, "vespcn.conv", ".weight", first=1)
    width, num_frames, *size = shapes["vespcn.conv1.weight"]
    scale = round(shapes[f"vespcn.conv{depth}.weight"][0] ** 0.5)
    if len(shapes) != 2 * depth or depth < 2 or size != [3, 3] or num_frames % 2 == 0:
        return None
    if shapes[f"vespcn.conv{depth}.weight"] != (scale**2, width, 3, 3):
        return None
    return Found(
        f"vespcn-{depth}l-e{num_frames}",
        (scale,),
        lambda scale: VESPCN(scale, width=width, depth=depth, num_frames=num_frames),
    )


SPECS = (
    network_spec(
        "vespcn-5l-e3",
        "Caballero et al., CVPR 2017: VESPCN's early fusion of three frames, no motion compensation",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=VESPCN,
        parameters=(17_164, 18_249, 19_768),
        recognise=recognise_vespcn,
        family="window",
    ),
)
"""As published."""
