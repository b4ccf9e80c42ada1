"""GIF and WebP as outputs: images in sRGB with square pixels, the right way up, 8 bits deep, and nothing beside them.

WebP is put together from images that the workers encode. A GIF has one palette, so its segments are lossless and the
last step encodes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.errors import VerificationError
from vsr.media.encode import EncoderSpec
from vsr.media.gif import GIF_MOST_TICKS, GIF_TICK, write_gif
from vsr.media.image_text import ImageText, with_text
from vsr.media.images import is_animation
from vsr.media.mux import SegmentFile
from vsr.media.probe import VideoInfo
from vsr.media.webp import WEBP_MOST_TICKS, WEBP_TICK, write_webp
from vsr.pipeline.settings import Settings
from vsr.timeline import rescale

__all__ = ["CLOCKS", "describe_animation", "find_lost_in_animation", "fit_animation", "write_animation"]

CLOCKS = {"gif": (GIF_TICK, GIF_MOST_TICKS), "webp": (WEBP_TICK, WEBP_MOST_TICKS)}
"""Seconds a tick of each container's clock, and the most ticks that a frame can last."""
_SRGB_PRIMARIES, _SRGB_TRANSFERS = (0, 1, 2, 5, 6), (0, 1, 2, 6, 13, 14, 15)  # and what passes for it
_BYTES_A_PIXEL = {"gif": 0.7, "webp": 0.3}  # measured on two natural clips; still or drawn ones take a part of it
_LARGE_BYTES = 50_000_000
_FASTEST = {"gif": 50, "webp": 99}  # frames a second: browsers show what lasts 10 ms or less for 100 ms


def _kind(output: Path) -> str | None:
    """``gif`` or ``webp``, where its name says so: an animation, or numbered images of WebP."""
    name = output.suffix.lower()[1:]
    return name if name in CLOCKS else None


def fit_animation(settings: Settings, video: VideoInfo, output: Path) -> Settings:
    """``settings`` for ``output``: GIF and WebP have 8 bits, and animations square pixels, whatever the source has."""
    if _kind(output) is None:
        return settings
    changes: dict[str, object] = {}
    if settings.pix_fmt is None:
        changes["pix_fmt"] = "gbrap" if video.layout.has_alpha else "gbrp"
    if video.sample_aspect_ratio != 1 and settings.size is None and is_animation(output):
        changes["square_pixels"] = True
    return settings.model_copy(update=changes)


def find_lost_in_animation(video: VideoInfo, encoder: EncoderSpec, output: Path) -> list[str]:
    """What GIF and WebP have no place for besides streams, in words."""
    if _kind(output) is None:
        return []
    name, lost = output.suffix.lower(), []
    if video.layout.bit_depth > 8:
        lost.append(f"{video.layout.bit_depth} bits a sample: {name} has 8")
    if encoder.color.primaries not in _SRGB_PRIMARIES or encoder.color.transfer not in _SRGB_TRANSFERS:
        lost.append(f"colour tags: everybody takes {name} for sRGB, so that colours will look pale or dark")
    if is_animation(output) and (video.mastering or video.content_light):
        lost.append(f"HDR mastering display and light level: {name} has no place for them")
    if is_animation(output) and video.timecode:
        lost.append(f"timecode: {name} has no place for it")
    return lost


def describe_animation(output: Path, encoder: EncoderSpec, num_frames: int) -> list[str]:
    """What people should know of an animation of ``num_frames`` (0: unknown) before it is made, in words."""
    if not is_animation(output):
        return []
    name, notes = output.suffix.lower(), []
    if num_frames != 1 and encoder.frame_rate > _FASTEST[name[1:]]:
        notes.append(
            f"{float(encoder.frame_rate):g} frames a second: browsers show {name} frames of 0.01 s for 0.1 s; "
            f"name the output {'.webp or ' if encoder.frame_rate <= _FASTEST['webp'] else ''}.mp4"
        )
    size = num_frames * encoder.width * encoder.height * _BYTES_A_PIXEL[name[1:]]
    if size > _LARGE_BYTES:
        seconds = float(num_frames / encoder.frame_rate)
        better = (
            " .webp takes less than half of that, .mp4 a small part" if name == ".gif" else " .mp4 takes a small part"
        )
        notes.append(f"about {size / 1e6:.0f} MB for {seconds:.0f} s of {encoder.width}x{encoder.height};{better}")
    return notes


def write_animation(
    segments: Sequence[SegmentFile],
    pts: NDArray[np.int64],
    last: int,
    encoder: EncoderSpec,
    words: ImageText,
    target: Path,
) -> None:
    """Write ``target`` from images shown at ``pts``, the last for ``last`` ticks. The first is shown at 0.

    Raises `MachineError` where it cannot be written, `VerificationError` for segments that are damaged.
    """
    name = str(_kind(target))
    tick, longest = CLOCKS[name]
    times = [rescale(int(time - pts[0]), encoder.time_base, tick) for time in (*pts, pts[-1] + last)]
    durations = np.diff(times).tolist()
    durations[-1] = min(max(1, durations[-1]), longest)
    comment = f"{words.software} {words.comment}"
    if name == "gif":
        write_gif(segments, times[:-1], durations[-1], target, comment=comment)
        return
    images = (part for segment in segments for part in _images(segment))
    if len(pts) == 1:
        target.write_bytes(with_text(next(images), words))
        return
    width, height = encoder.stored_size
    write_webp(
        target,
        images,
        durations,
        width=width,
        height=height,
        has_alpha=encoder.layout.has_alpha,
        software=words.software,
        comment=words.comment,
        profile=None if words.profile is None else words.profile.profile,
    )


def _images(segment: SegmentFile) -> list[bytes]:
    """The image files of a segment, in order."""
    with segment.path.open("rb") as file:
        found = [file.read(packet.size) for packet in segment.packets]
        if any(len(data) != packet.size for data, packet in zip(found, segment.packets, strict=True)):
            raise VerificationError(f"{segment.path.name} is shorter than its sidecar says")
    return found
