"""What the user should know of a still, in words."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.media.looks import aspect_of
from vsr.media.probe import VideoInfo
from vsr.registration import StillCamera
from vsr.stills.choosing import Candidate
from vsr.stills.fusion import Fused
from vsr.stills.quality import Agreement
from vsr.stills.window import Window

__all__ = ["doubts", "is_spent", "notes_of"]

_BLURRED = 0.75  # of the usual sharpness: less in the reference, and the user is warned
_DOUBTFUL = 3.0  # residual of the reference, in noise, from which the user is warned
_ELSEWHERE = 5.0  # the same over all frames used: part of what they show there is not in the image
_ROUNDING = 1.0 / 255
_FEW_BITS = 0.065  # a pixel, of the usual frame: with less, frames show nothing beyond each other (ADR 94)
_THRIFTY = ("hevc", "vp9", "av1", "vvc")  # need about half as many


def is_spent(bits_a_pixel: float | None, codec: str) -> bool:
    """Whether frames hold so little of their own that many are no better than one; None: it is not known.

    Below that a codec repeats blocks of other frames and keeps none of the noise and aliasing that a still is made
    from. That the frames then agree proves nothing: `benchmarks/stills.py sharpened` compares with the ground truth.
    """
    if bits_a_pixel is None:
        return False
    return bits_a_pixel < (_FEW_BITS / 2 if codec in _THRIFTY else _FEW_BITS)


def doubts(fused: Fused, quality: Agreement, bits_a_pixel: float | None, codec: str) -> list[str]:
    """Whether the image fails to show what its own frame shows, or what the others do, or more than one of them."""
    return [*_disagreement(fused, quality), *_no_gain(bits_a_pixel, codec)]


def _no_gain(bits_a_pixel: float | None, codec: str) -> list[str]:
    if not is_spent(bits_a_pixel, codec):
        return []
    return [
        f"expect no more than one sharpened frame shows: compressed to {bits_a_pixel:.3f} bits a pixel, these frames "
        "repeat each other instead of adding detail; compare both (vsr report), and use a recording of higher "
        "quality if there is one"
    ]


def _disagreement(fused: Fused, quality: Agreement) -> list[str]:
    residual, level = quality.frames_rms[fused.reference], max(fused.sigma, _ROUNDING)
    if residual >= _DOUBTFUL * level:
        return [
            "the still shows something else than its own frame in places: degraded again, it differs from that frame "
            f"by {residual / level:.1f} times the noise, where 1 is usual; do not rely on it before it is compared "
            "with that frame (vsr report), or name another --at or --roi"
        ]
    if quality.residual_rms >= _ELSEWHERE * level:
        return [
            "in parts of the region something moves or passes: there the still rests on its own frame alone, or on "
            "few (see the support map)"
        ]
    return []


def notes_of(video: VideoInfo, window: Window, candidates: Sequence[Candidate], still: StillCamera) -> list[str]:
    """What frames and video are like."""
    used = [candidate for candidate in candidates if candidate.is_used]
    notes = []
    if len(used) == 1:
        notes.append("no other frame could be used: this is one frame, sharpened")
    elif still.still:
        notes.append("nothing moves: the frames show no new detail, only noise and blur could be reduced")
    own = next(c for c in candidates if c.number == window.reference)
    sharpest = max(used, key=lambda c: c.sharpness)
    if own.sharpness < _BLURRED and sharpest.number != own.number:
        record = window.frames[sharpest.number].record
        notes.append(f"the frame at this time is blurred; frame {record.ordinal} is sharper (--at {record.ordinal})")
    if window.is_deinterlaced:
        notes.append(
            "the video is interlaced: each interlaced frame shows one of its fields, the lines between are interpolated"
        )
    if video.display:
        notes.append(f"players turn this video by {video.display.rotation:g} degrees; region and still are unturned")
    aspect = aspect_of(video, window.frames[window.reference].record.look)
    if aspect != 1:
        notes.append(f"pixels of this video are {aspect} as wide as high, and so are the still's")
    if video.layout.has_alpha:
        notes.append("the alpha plane is left out")
    return notes
