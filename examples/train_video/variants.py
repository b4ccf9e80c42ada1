"""Networks beside `Lite` that are compared: what each is given, and how it goes from frame to frame.

``video``: what `vsr.networks.video` is, recurrent. ``window``: no memory, but two frames on either side, what `Lite`
makes of each moved to the frame at hand, with how sure that motion is, and the estimates of the source.
``reconstruction``: as ``video``, and the multi-frame reconstruction of the frame with its confidence. Only ``video`` is
an architecture of vsr, so that only its weights are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import torch
from sequences import Batch, Item
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pixel_unshuffle

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import Geometry, restore_shot
from vsr.methods.network.alignment import moved
from vsr.methods.network.frame import ADAPT_FRAMES
from vsr.methods.reconstruction.multi_frame import MultiFrameOptions, PreparedMultiFrame
from vsr.networks import Network
from vsr.networks.lite import Lite
from vsr.networks.video import Video
from vsr.registration import PreviousFrame, register_previous

__all__ = ["VARIANTS", "Remembering", "Variant", "Window", "new_video"]

CONFIDENCE_KEPT = 0.9  # at run time less, as it goes through more frames
_AROUND = (-2, -1, 1, 2)
_GAIN = 8.0  # as `Video` has it
_SLOPE = 0.1


def new_video(base: Network, width: int) -> Video:
    """`Video` over ``base`` whose second network adds nothing yet."""
    assert isinstance(base.module, Lite)
    video = Video(base.scale, width=width, base_width=base.module.head.out_channels, base_depth=len(base.module.body))
    video.base.load_state_dict(base.module.state_dict())
    video.base.requires_grad_(False)
    _silence(video.tail, base.scale**2)
    return video


def _silence(tail: nn.Conv2d, num_pixels: int) -> None:
    assert tail.bias is not None
    nn.init.zeros_(tail.bias)
    with torch.no_grad():
        tail.weight[:num_pixels] = 0


class Remembering(nn.Module):
    """``video`` and ``reconstruction``: a `Video`'s second network, with ``extra`` channels beside the features."""

    def __init__(self, base: Network, width: int, extra: int = 0) -> None:
        super().__init__()
        self.second = new_video(base, width)
        if extra:
            head = self.second.head
            self.second.head = nn.Conv2d(head.in_channels + extra, head.out_channels, 3, padding=1)

    def forward(self, batch: Batch, number: int, place: int, given: Tensor | None) -> Tensor:
        """Frame ``number`` of sequence ``place`` after a step that gave ``given`` → ``(1, scale² + memory, h, w)``."""
        scale, luma = self.second.scale, batch.luma[number, place]
        channels, pixels = int(self.second.out_channels or 0), scale**2
        if given is None:
            before, confidence = luma, torch.zeros_like(luma)
            carried = luma.new_zeros((channels, *luma.shape[1:]))
        else:
            before, confidence = batch.warped[number - 1, place], batch.confidence[number - 1, place]
            motion = PreviousFrame(batch.flow[number - 1, place], confidence[0], before[0])
            carried = torch.cat(moved(given, motion, scale, pixels))
        features = torch.cat([batch.features[number, place], batch.extra[number, place]])
        parts = (features, luma, batch.detail[number, place], before, confidence, carried[:pixels], carried[pixels:])
        made: Tensor = self.second.refined(*(part[None] for part in parts), kept=CONFIDENCE_KEPT)
        return made


class Window(nn.Module):
    """``window``: as wide and deep as `Video`'s second network, with ``extra`` channels in place of what is carried."""

    def __init__(self, base: Network, width: int, extra: int, blocks: int = 2) -> None:
        super().__init__()
        assert isinstance(base.module, Lite)
        pixels = base.scale**2
        self.second = nn.ModuleDict(
            {
                "head": nn.Conv2d(base.module.head.out_channels + 1 + pixels + extra, width, 3, padding=1),
                "body": nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2 * blocks)),
                "tail": (tail := nn.Conv2d(width, pixels, 3, padding=1)),
            }
        )
        _silence(tail, pixels)

    def forward(self, batch: Batch, number: int, place: int, given: Tensor | None) -> Tensor:
        """Frame ``number`` of sequence ``place`` → ``(1, scale², h, w)``; what was made before does not matter."""
        head, body, tail = self.second["head"], self.second["body"], self.second["tail"]
        luma, detail = batch.luma[number, place], batch.detail[number, place]
        known = [_GAIN * batch.features[number, place], luma, _GAIN * detail, batch.extra[number, place]]
        hidden = leaky_relu(head(torch.cat(known)[None]), _SLOPE)
        for first, second in zip(body[::2], body[1::2], strict=True):
            hidden = hidden + second(leaky_relu(first(hidden), _SLOPE))
        added: Tensor = tail(leaky_relu(hidden, _SLOPE))
        return luma + detail + added.to(luma.dtype) / _GAIN


@dataclass(frozen=True)
class Variant:
    """A row of `VARIANTS`."""

    build: Callable[[Network, int], Remembering | Window]
    """For a base and a width."""
    width: int
    """With which all have about as many parameters."""
    extra: Callable[[Item, Network], Tensor]
    """What it is given of each frame besides what `Item` holds, ``(T, E, h, w)`` in half precision."""


def nothing(item: Item, base: Network) -> Tensor:
    """No channel."""
    return item.detail[:, :0]


def frames_around(item: Item, base: Network) -> Tensor:
    """Per neighbour what differs, in the frame and in what `Lite` makes of it, and the confidence; then the source."""
    lumas, pixels = item.small.float() / 255, base.scale**2
    alone = lumas[:, None] + item.detail.float()
    source = lumas.new_zeros(3)
    if base.mixture is not None and (found := base.mixture.estimate(lumas[:ADAPT_FRAMES].unbind())) is not None:
        source = found
    planes = source[:, None, None].expand(3, *lumas.shape[1:])
    given = []
    for number, luma in enumerate(lumas):
        parts = []
        for offset in _AROUND:
            other = number + offset
            motion = register_previous(lumas[other], luma) if 0 <= other < len(lumas) else None
            if motion is None:
                parts.append(luma.new_zeros((2 + pixels, *luma.shape)))
                continue
            result, _ = moved(alone[other], motion, base.scale, pixels)
            parts.append(
                torch.cat(
                    [
                        _GAIN * motion.confidence * (motion.warped - luma)[None],
                        _GAIN * motion.confidence * (result - alone[number]),
                        motion.confidence[None],
                    ]
                )
            )
        given.append(torch.cat([*parts, planes]).half())
    return torch.stack(given)


def reconstruction(item: Item, base: Network) -> Tensor:
    """What several frames show of each by the observation model, less `Lite`'s result; and its mean confidence."""
    height, width = item.small.shape[1:]
    geometry = Geometry(width, height, base.scale * width, base.scale * height)
    frames = [
        VideoFrame((plane,), LAYOUTS["gray"], ColorSpec(), number, number, Fraction(1, 25))
        for number, plane in enumerate(item.small)
    ]
    given = []
    restored = restore_shot(PreparedMultiFrame(MultiFrameOptions(), "cpu"), geometry, frames)
    for frame, detail in zip(restored, item.detail, strict=True):
        alone = item.small[frame.ordinal].float() / 255 + detail.float()
        difference = pixel_unshuffle(frame.planes[0].float()[None] / 255, base.scale) - alone
        confidence = alone.new_full((1, height, width), frame.findings.get("confidence", 0.0) / _GAIN)
        given.append(torch.cat([difference, confidence]).half())
    return torch.stack(given)


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "video": Variant(Remembering, 32, nothing),
        "window": Variant(lambda base, width: Window(base, width, 4 * (2 + base.scale**2) + 3), 35, frames_around),
        "reconstruction": Variant(lambda base, width: Remembering(base, width, base.scale**2 + 1), 32, reconstruction),
    }
)
"""By name."""
