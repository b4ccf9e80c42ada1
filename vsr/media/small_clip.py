"""A short, small H.264 clip in memory, for a page that carries its own video."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import torch
from numpy.typing import NDArray

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.convert import OutputFormat, quantise
from vsr.media.layouts import LAYOUTS
from vsr.media.planes import frame_from_planes
from vsr.media.repeatable import join_params, repeatable_x264

__all__ = ["encode_small_clip"]

_CLOCK = Fraction(1, 90_000)
_SRGB = ColorSpec(1, 13, 0, full_range=True)
_BT709 = ColorSpec(1, 1, 1, full_range=False, chroma_location="left")
_QUALITY = 18


def encode_small_clip(
    frames: Iterable[tuple[Fraction, NDArray[np.uint8]]],
    rate: Fraction,
    *,
    bits_per_second: int,
    speed: str = "medium",
) -> bytes:
    """An MP4 of ``(seconds, image)`` pairs in order; images are ``(H, W, 3)`` uint8 sRGB of even, equal sizes.

    Good quality where ``bits_per_second`` allow it; never many more than these. Empty where there is no image.
    ``speed`` is a preset of x264.
    """
    layout = LAYOUTS["yuv420p"]
    file = io.BytesIO()
    kbits = max(64, bits_per_second // 1000)
    params = {"vbv-maxrate": str(kbits), "vbv-bufsize": str(kbits)} | repeatable_x264()
    options = {"crf": str(_QUALITY), "preset": speed, "x264-params": join_params(params)}
    with av.open(file, "w", format="mp4") as container:
        stream = None
        for seconds, image in frames:
            height, width = image.shape[:2]
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options=options)
                stream.width, stream.height, stream.pix_fmt = width, height, layout.name
                stream.time_base = stream.codec_context.time_base = _CLOCK
                context = stream.codec_context
                context.thread_count, context.thread_type = 2, "FRAME"
                context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
            planes = torch.from_numpy(image).permute(2, 0, 1)
            source = VideoFrame(tuple(planes), LAYOUTS["gbrp"], _SRGB, 0, 0, _CLOCK)
            frame = frame_from_planes(quantise(source, OutputFormat(layout, _BT709)), layout, width, height)
            frame.pts, frame.time_base = round(seconds / _CLOCK), _CLOCK
            container.mux(stream.encode(frame))
        if stream is None:
            return b""
        container.mux(stream.encode(None))
    return file.getvalue()
