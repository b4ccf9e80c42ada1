"""Film on video from a seed, over real clips, and what two ways of undoing it make of it. Luma alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

import av
import av.error
import av.filter
import numpy as np
from numpy.typing import NDArray

from vsr.media.cadence import PATTERNS
from vsr.media.combing import FieldJudge, luma_rows
from vsr.media.decode import FrameRecord
from vsr.media.deinterlace import deinterlace
from vsr.media.film import FilmFound, recover_film
from vsr.media.planes import fingerprint, planes_of

__all__ = ["CASES", "deinterlaced", "measure"]

Frames = NDArray[np.uint8]
Fields = list[int]
"""For each field in time the number of the frame that it shows."""

CASES = (
    "3:2",
    "3:2, cut",
    "3:2, short shots",
    "2:3:3:2, cut",
    "3:2:3:2:2, cut",
    "2:2 shifted",
    "2:2, cut",
    "3:2 and video",
)
_RATE = Fraction(30000, 1001)


def _shown(numbers: Sequence[int], pattern: str, begin: int) -> Fields:
    lengths = PATTERNS[pattern]
    fields = [one for n, one in enumerate(numbers) for _ in range(lengths[n % len(lengths)])][begin:]
    return fields[: len(fields) // 2 * 2]


def _fields(case: str, shots: Sequence[Sequence[int]], rng: np.random.Generator) -> Fields:
    """The fields of ``case``; shots are cut after the telecine except in the cases that say nothing of it."""
    pattern = "3:2" if case.startswith("3:2") and not case.startswith("3:2:") else case.split(",")[0].split(" ")[0]
    if case in ("3:2", "2:2 shifted"):
        return _shown([number for shot in shots for number in shot], pattern, 1)
    fields = Fields()
    for place, shot in enumerate(shots):
        part = shot[: int(rng.integers(8, 14))] if "short" in case else shot
        if "video" in case and place % 2:
            fields += part[: len(part) // 2 * 2]  # every frame is a field: video
        else:
            fields += _shown(part, pattern, int(rng.integers(4)))
    return fields


def _video(frames: Frames, fields: Fields) -> Frames:
    video: Frames = frames[fields[0::2]].copy()
    video[:, 1::2] = frames[fields[1::2]][:, 1::2]
    return video


def _decoded(video: Frames, bit_rate: int) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """``video`` as it is, or after MPEG-2 in interlaced frames at ``bit_rate`` (0: as it is)."""
    for number, image in enumerate(_compress(video, bit_rate) if bit_rate else video):
        grey = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "gray")
        frame = grey.reformat(format="yuv420p", src_color_range=2, dst_color_range=2)
        frame.pts, frame.time_base = number, 1 / _RATE
        mark, (height, width) = fingerprint(planes_of(frame)), image.shape
        yield FrameRecord(number, number, number, mark, width, height, "yuv420p", interlaced=True, duration=1), frame


def _compress(video: Frames, bit_rate: int) -> list[Frames]:
    encoder = av.CodecContext.create("mpeg2video", "w")
    encoder.width, encoder.height, encoder.pix_fmt = video.shape[2], video.shape[1], "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = 1 / _RATE, _RATE, bit_rate
    encoder.options = {"flags": "+ildct+ilme", "g": "15", "bf": "2", "maxrate": str(bit_rate), "bufsize": "1835008"}
    packets = [packet for _, frame in _decoded(video, 0) for packet in encoder.encode(frame)] + encoder.encode(None)
    decoder = av.CodecContext.create("mpeg2video", "r")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [np.asarray(planes_of(frame, 1)[0], np.uint8) for frame in frames]


def _by_ffmpeg(video: Frames, bit_rate: int, *, decimates: bool) -> list[Frames]:
    graph = av.filter.Graph()
    height, width = video.shape[1:]
    form = f"video_size={width}x{height}:pix_fmt=yuv420p:time_base=1001/30000:frame_rate=30000/1001"
    chain = [("buffer", form), ("setparams", "field_mode=tff"), ("fieldmatch", "order=tff:combmatch=full")]
    chain += [("decimate", "")] if decimates else []
    stages = [graph.add(name, options) for name, options in [*chain, ("buffersink", "")]]
    for one, other in pairwise(stages):
        one.link_to(other)
    graph.configure()
    made: list[Frames] = []
    for frame in [*(frame for _, frame in _decoded(video, bit_rate)), None]:
        graph.push(frame)
        while True:
            try:
                made.append(np.asarray(planes_of(graph.pull(), 1)[0], np.uint8))
            except (av.error.BlockingIOError, av.error.EOFError):
                break
    return made


def deinterlaced(video: Frames, bit_rate: int) -> list[Frames]:
    """By bwdif where frames are interlaced by content, as without inverse telecine."""
    frames = [frame for _, frame in _decoded(video, bit_rate)]
    judge, fields = FieldJudge(), []
    for frame in frames:
        fields += judge.push(luma_rows(frame), True)
    fields += judge.finish()
    made = deinterlace(zip(frames, fields, strict=True), "frame", only_interlaced=True)
    return [np.asarray(planes_of(frame, 1)[0], np.uint8) for frame in made]


def _psnr(one: Frames, other: Frames) -> float:
    return float(10 * np.log10(255**2 / max(float(np.mean((one.astype(float) - other) ** 2)), 1e-3)))


def measure(name: str, shots: Sequence[Frames], seed: int, bit_rate: int) -> Mapping[str, float]:
    """Shares and counts for one of `CASES`.

    For ``ours``, ``ffmpeg`` and ``plain`` (deinterlacing alone): ``exact``, of the film frames that the video holds
    whole, how many percent come out (with a bit rate: at 30 dB); ``strange``, frames put out that are none of these;
    ``db``, PSNR of all frames put out, to the nearest of the film. ``ms``: CPU for a frame of the video, by ours.
    """
    rng = np.random.default_rng(seed)
    frames, starts = np.concatenate(shots), np.cumsum([0, *(len(shot) for shot in shots)])
    fields = _fields(name, [range(a, b) for a, b in pairwise(starts.tolist())], rng)
    runs = [number for n, number in enumerate(fields) if n and fields[n - 1] == number]
    video, whole = _video(frames, fields), set(runs)
    found = FilmFound()
    given = list(_decoded(video, bit_rate))
    began = time.process_time()
    pairs = list(recover_film(given, found))
    seconds = time.process_time() - began
    ours = [np.asarray(planes_of(f, 1)[0], np.uint8) for r, f in pairs if r.weave is not None and r.weave.is_film]
    ours += [
        np.asarray(planes_of(f, 1)[0], np.uint8)
        for r, f in pairs
        if r.weave is not None and not r.weave.is_film and fields[2 * r.weave.top] == fields[2 * r.weave.top + 1]
    ]
    theirs = _by_ffmpeg(video, bit_rate, decimates=not name.startswith("2:2"))
    plain = deinterlaced(video, bit_rate)
    result = {"ms": 1000 * seconds / len(video), "whole": float(len(whole))}
    for key, images in (("ours", ours), ("ffmpeg", theirs), ("plain", plain)):
        nearest = [_nearest(image, frames) for image in images]
        good = {number for number, db in nearest if db >= (30 if bit_rate else 70)}
        result[f"{key}_exact"] = 100 * len(good & whole) / len(whole)
        result[f"{key}_strange"] = float(sum(db < (30 if bit_rate else 70) for _, db in nearest))
        result[f"{key}_db"] = float(np.mean([db for _, db in nearest]))
    return result


def _nearest(image: Frames, frames: Frames) -> tuple[int, float]:
    small = np.abs(frames[:, ::8, ::8].astype(np.int16) - image[::8, ::8]).mean((1, 2))
    near = np.argsort(small)[:4]
    number = max(near, key=lambda n: _psnr(image, frames[n]))
    return int(number), _psnr(image, frames[number])
