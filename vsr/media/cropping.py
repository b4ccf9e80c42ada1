"""The part of the coded frame that is meant to be seen, where the container says so.

MP4 and MOV say it in ``clap``, Matroska in PixelCrop. Players show that part alone, and so does the ffmpeg program;
FFmpeg's decoders, which PyAV calls, give the whole image. So it is cut as ffmpeg cuts it: by FFmpeg's ``crop``, which
moves to whole chroma samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import av

from vsr.media.filtering import FrameFilter

__all__ = ["Crop", "crop_frames", "find_crop"]

_IN_LOG = re.compile(r"Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Crop:
    """Samples of luma that are not shown, along each side."""

    left: int
    right: int
    top: int
    bottom: int

    def __str__(self) -> str:
        sides = {"left": self.left, "right": self.right, "top": self.top, "bottom": self.bottom}
        return ", ".join(f"{size} {side}" for side, size in sides.items() if size)

    def leaves(self, width: int, height: int) -> bool:
        """Whether anything of an image of that size stays; chroma blocks of up to 4 × 4 are allowed for."""
        return width - self.left - self.right >= 4 and height - self.top - self.bottom >= 4


def find_crop(description: str) -> Crop | None:
    """The crop in ffmpeg's description of a stream (PyAV does not expose it); None where there is none."""
    found = _IN_LOG.search(description)
    if found is None or not any(sides := [int(part) for part in found.groups()]):
        return None
    return Crop(*sides)


def crop_frames(frames: Iterator[av.VideoFrame], crop: Crop | None) -> Iterator[av.VideoFrame]:
    """The visible part of each of ``frames``. One too small for the crop, as may come in mid-stream, stays whole."""
    if crop is None:
        yield from frames
        return
    size = f"w=iw-{crop.left}-{crop.right}:h=ih-{crop.top}-{crop.bottom}"
    cut = FrameFilter("crop", f"{size}:x={crop.left}:y={crop.top}")
    for frame in frames:
        yield cut(frame) if crop.leaves(frame.width, frame.height) else frame
