"""Progressive clips whose frames are taken for fields, and what deinterlacers make of them. Luma alone.

Every frame gives one field, even rows first: 25 interlaced frames hold what 50 progressive ones showed. Rows are not
softened before, as cameras do, so this is the hard case.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import av.error
import av.filter
import numpy as np
from numpy.typing import NDArray

from vsr.media.deinterlace import deinterlace
from vsr.media.ffmpeg import ffmpeg_path
from vsr.media.planes import planes_of

__all__ = ["FILTERS", "interlaced", "made_by_ffmpeg", "made_by_nnedi", "made_by_vsr", "measure"]

Frames = NDArray[np.uint8]

FILTERS: Mapping[str, str] = {
    "yadif": "mode=send_field:parity=tff:deint=all",
    "w3fdif": "mode=field:parity=tff:deint=all",
    "estdif": "mode=field:parity=tff:deint=all",
}
_RATE = Fraction(25)
_EDGE = 2  # moments at the ends that are not counted
_BITS_A_PIXEL = 6e6 / (720 * 576 * 25)  # 6 Mbit/s in standard definition


def interlaced(moments: Frames) -> Frames:
    """Frames of two moments each, the even rows of the first."""
    video: Frames = moments[: len(moments) // 2 * 2 : 2].copy()
    video[:, 1::2] = moments[1::2, 1::2]
    return video


def compressed(video: Frames) -> Frames:
    """After MPEG-2 in interlaced frames, of as many bits a pixel as 6 Mbit/s in standard definition."""
    encoder = av.CodecContext.create("mpeg2video", "w")
    encoder.width, encoder.height, encoder.pix_fmt = video.shape[2], video.shape[1], "yuv420p"
    rate = round(_BITS_A_PIXEL * video[0].size * _RATE)
    encoder.time_base, encoder.framerate, encoder.bit_rate = 1 / _RATE, _RATE, rate
    encoder.options = {"flags": "+ildct+ilme", "g": "15", "bf": "2", "maxrate": str(rate), "bufsize": "1835008"}
    packets = [packet for frame in _frames(video) for packet in encoder.encode(frame)] + encoder.encode(None)
    decoder = av.CodecContext.create("mpeg2video", "r")
    return _lumas(frame for packet in [*packets, None] for frame in decoder.decode(packet))


def _frames(video: Frames) -> Iterator[av.VideoFrame]:
    for number, image in enumerate(video):
        grey = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "gray")
        frame = grey.reformat(format="yuv420p", src_color_range=2, dst_color_range=2)
        frame.pts, frame.time_base = number, 1 / _RATE
        yield frame


def _lumas(frames: Iterator[av.VideoFrame]) -> Frames:
    return np.stack([np.asarray(planes_of(frame, 1)[0], np.uint8) for frame in frames])


def made_by_vsr(video: Frames, by: Literal["bwdif", "motion"], rate: Literal["frame", "field"] = "field") -> Frames:
    """One image a field or frame, by a deinterlacer of vsr's."""
    frames = ((frame, "top first") for frame in _frames(video))
    return _lumas(deinterlace(frames, rate, only_interlaced=rate == "frame", by=by))


def made_by_ffmpeg(video: Frames, name: str) -> Frames:
    """One image a field, by one of `FILTERS`."""
    graph = av.filter.Graph()
    height, width = video.shape[1:]
    form = f"video_size={width}x{height}:pix_fmt=yuv420p:time_base=1/25:frame_rate=25"
    chain = [("buffer", form), ("setparams", "field_mode=tff"), (name, FILTERS[name]), ("buffersink", "")]
    stages = [graph.add(name, options) for name, options in chain]
    for one, other in pairwise(stages):
        one.link_to(other)
    graph.configure()
    made: list[av.VideoFrame] = []
    for frame in [*_frames(video), None]:
        graph.push(frame)
        while True:
            try:
                made.append(graph.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    return _lumas(iter(made))


def made_by_nnedi(video: Frames, weights: Path) -> Frames:
    """One image a field, by the ffmpeg program, whose filter wants a file ``nnedi3_weights.bin``."""
    height, width = video.shape[1:]
    chain = f"setparams=field_mode=tff,nnedi=weights={weights}:deint=all:field=tf:nsize=s32x4:nns=n64:qual=slow"
    raw = ["-f", "rawvideo", "-pix_fmt", "gray"]
    command = [ffmpeg_path(), "-v", "error", *raw, "-s", f"{width}x{height}", "-r", "25", "-i", "-"]
    done = subprocess.run([*command, "-vf", chain, *raw, "-"], input=video.tobytes(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width)


def _psnr(made: Frames, expected: Frames, edge: int = _EDGE) -> float:
    pairs = list(zip(made, expected, strict=True))[edge:-edge]
    errors = [float(np.mean((one.astype(float) - other) ** 2)) for one, other in pairs]
    return float(np.mean([10 * np.log10(255**2 / max(error, 1e-3)) for error in errors]))


def measure(moments: Frames, weights: Path | None) -> Mapping[str, float]:
    """PSNR in dB of each deinterlacer, of bwdif and motion after MPEG-2 and at one image a frame; CPU over bwdif's."""
    moments = moments[: len(moments) // 2 * 2]
    video = interlaced(moments)
    found = {name: _psnr(made_by_ffmpeg(video, name), moments) for name in FILTERS}
    if weights is not None:
        found["nnedi"] = _psnr(made_by_nnedi(video, weights), moments)
    seconds = {}
    stored = compressed(video)
    for by in ("bwdif", "motion"):
        began = time.process_time()
        made = made_by_vsr(video, by)
        seconds[by] = time.process_time() - began
        found[by] = _psnr(made, moments)
        found[f"{by}, MPEG-2"] = _psnr(made_by_vsr(stored, by), moments)
        found[f"{by}, frames"] = _psnr(made_by_vsr(video, by, "frame"), moments[::2], edge=1)
    found["times"] = seconds["motion"] / seconds["bwdif"]
    found["ms"] = 1000 * seconds["motion"] / len(moments) / (moments[0].size / 1e6)
    return found
