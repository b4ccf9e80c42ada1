"""Video: `Lite`, and a second network that adds what earlier frames show; its memory is moved along with the image.

vsr's own. Post-upsampling, recurrent, Y, 0…1. `Lite` enlarges a frame by itself. The features ahead of its last layer
go with its result, the result of the frame before and 24 channels of memory, both moved by dense motion (after FRVSR:
Sajjadi, Vemulapalli, Brown, CVPR 2018, whose previous result is rearranged to the small size), and what is known of
that motion, through 3×3 conv 67→32, two residual blocks of 32 and 3×3 conv 32→28: what is added to the result, and the
memory. What is carried and what is added count as much as that motion is sure: where nothing is remembered, as in the
first frame, the result is that of `Lite`, to the bit. 182,528 / 188,298 / 196,376 parameters, 64,412 of them at ×2
beside `Lite`'s. That is trained first and then left as it is, so the second network begins as nothing at all and learns
only what a frame alone does not show. A place that looks exactly as before keeps its result: nothing new was recorded
there, and what is added again and again piles up.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, max_pool2d

from vsr.networks.base import Found, RecurrentUpscaler, Shapes
from vsr.networks.blocks import count
from vsr.networks.footprint import INPUT
from vsr.networks.lite import Lite
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "Video", "recognise_video"]

_WIDTH, _BLOCKS, _MEMORY = 32, 2, 24
_SLOPE = 0.1
_KEPT = 0.8  # of the confidence of motion, so that what is wrong fades: a chain is longer than what is trained through
_REST_PX, _SAME, _SURE = 3, 0.25 / 255, 0.999  # around a pixel; changes of pixels, and confidence, at rest
_GAIN = 8.0  # features, details and differences are about an eighth of pixels


class Video(RecurrentUpscaler):
    """See the module."""

    is_aligned: ClassVar[bool] = True
    warm_up_frames: ClassVar[int] = 6
    takes_planes: ClassVar[bool] = True

    def __init__(
        self,
        scale: int,
        *,
        width: int = _WIDTH,
        blocks: int = _BLOCKS,
        memory: int = _MEMORY,
        base_width: int = 32,
        base_depth: int = 12,
    ) -> None:
        super().__init__()
        self.scale, self._memory = scale, memory
        self.base = Lite(scale, width=base_width, depth=base_depth)
        pixels = scale * scale
        self.in_channels, self.out_channels = 3 + pixels + memory, pixels + memory
        self.context_px = INPUT.conv(5).conv(3, times=base_depth + 3 + 2 * blocks).context_px
        self.head = nn.Conv2d(base_width + 3 + 2 * pixels + memory, width, 3, padding=1)
        self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2 * blocks))
        self.tail = nn.Conv2d(width, pixels + memory, 3, padding=1)

    def forward(self, stacked: Tensor) -> Tensor:
        """``(B, 3 + scale² + memory, H, W)`` → ``(B, scale² + memory, H, W)``; see `RecurrentUpscaler`."""
        pixels = self.scale**2
        frame, before, confidence, result, memory = torch.split(stacked, [1, 1, 1, pixels, self._memory], 1)
        features = self.base.features(frame)
        detail = _in_planes(self.base.tail(features))
        return self.refined(features, frame, detail, before, confidence, result, memory)

    def refined(
        self,
        features: Tensor,
        frame: Tensor,
        detail: Tensor,
        before: Tensor,
        confidence: Tensor,
        result: Tensor,
        memory: Tensor,
        kept: float = _KEPT,
    ) -> Tensor:
        """The second network by itself, for `Lite`'s ``features`` and what it adds to pixels, ``detail``.

        ``kept``: how much of the ``confidence`` counts.
        """
        alone, counted = frame + detail.to(frame.dtype), kept * confidence
        known = [frame, _GAIN * detail, _GAIN * counted * (result - alone), _GAIN * (before - frame)]
        given = torch.cat([*known, counted, counted * memory], 1).to(features.dtype)
        hidden = self.head(torch.cat([_GAIN * features, _laid_like(features, given)], 1))
        hidden = leaky_relu(hidden, _SLOPE, inplace=True)
        for first, second in zip(self.body[::2], self.body[1::2], strict=True):
            hidden = second(leaky_relu(first(hidden), _SLOPE, inplace=True)).add_(hidden)
        added, new = torch.split(_in_planes(self.tail(leaky_relu(hidden, _SLOPE))), [self.scale**2, self._memory], 1)
        made = torch.cat([alone + confidence * added / _GAIN, new.tanh()], 1)
        is_at_rest = (_largest_around((before - frame).abs()) < _SAME) & (confidence > _SURE)
        return torch.lerp(made, torch.cat([result, memory], 1), is_at_rest.to(frame.dtype))  # one or the other, exactly


def _in_planes(channels: Tensor) -> Tensor:
    """In float32, one channel behind the other."""
    return channels.to(torch.float32, memory_format=torch.contiguous_format)


def _laid_like(features: Tensor, planes: Tensor) -> Tensor:
    """``planes``, one behind the other, as ``features`` lie in memory: maybe channels last, by way of a matrix."""
    if features.is_contiguous():
        return planes
    height, width = planes.shape[-2:]
    matrices = [one.flatten(1).t().contiguous() for one in planes]
    stacked = matrices[0][None] if len(matrices) == 1 else torch.stack(matrices)
    return stacked.view(len(planes), height, width, -1).permute(0, 3, 1, 2)


def _largest_around(changes: Tensor) -> Tensor:
    """The largest within `_REST_PX` of each pixel of ``(B, 1, H, W)``, along columns and then along rows."""
    side = 2 * _REST_PX + 1
    along_columns = max_pool2d(changes, (side, 1), stride=1, padding=(_REST_PX, 0))
    return max_pool2d(along_columns, (1, side), stride=1, padding=(0, _REST_PX))


def recognise_video(shapes: Shapes) -> Found | None:
    """Of any width, depth and memory, over a `Lite` of any width and depth."""
    base_width, base_depth = shapes["base.head.weight"][0], count(shapes, "base.body.", ".weight")
    scale = round(shapes["base.tail.weight"][0] ** 0.5)
    width, inputs, *_ = shapes["head.weight"]
    blocks, memory = count(shapes, "body.", ".weight") // 2, shapes["tail.weight"][0] - scale**2
    if inputs != base_width + 3 + 2 * scale**2 + memory or memory < 1:
        return None

    def build(scale: int) -> Video:
        return Video(scale, width=width, blocks=blocks, memory=memory, base_width=base_width, base_depth=base_depth)

    return Found("video", (scale,), build)


SPECS = (
    network_spec(
        "video",
        "vsr, 2026: Video, lite and what it carries from frame to frame",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="Y",
        build=Video,
        parameters=(182_528, 188_298, 196_376),
        recognise=recognise_video,
        family="recurrent",
    ),
)
