"""Measuring videos that are known to belong together: decoding, pairing and meters side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction

import torch

from vsr.errors import InputError, UsageError
from vsr.media.damage import Damage
from vsr.media.luma import LumaCode, LumaFrame, common_luma, read_luma
from vsr.media.probe import MediaInfo
from vsr.overlap import Overlap
from vsr.report.comparison.alignment import Alignment, Stray, tolerance
from vsr.report.comparison.plan import Part, Plan, Requested
from vsr.report.comparison.records import METRICS, Comparison, Curve, Side
from vsr.timeline import format_seconds

__all__ = ["Watch", "decoder_threads", "measure"]

_AHEAD_FRAMES = 4
_MOST_THREADS = 4
_LEAST_SHARE = Fraction(1, 2)  # of the shortest video's frames that must have partners

Watch = Callable[[Sequence[LumaFrame]], None]
"""Sees every group of frames that belong together, measured or not."""


def measure(
    parts: Sequence[Part],
    requested: Requested,
    *,
    notes: Sequence[str] = (),
    on_pair: Callable[[int], None] | None = None,
    watch: Watch | None = None,
) -> Comparison:
    """Decode all parts to their end, pair their frames by time, and measure.

    ``notes`` come first in the result's. ``on_pair`` hears how many groups were measured. Raises as
    `vsr.report.comparison.compare`.
    """
    infos = [part.info for part in parts]
    code = common_luma(infos)
    within = tolerance([info.video.time_base for info in infos], [_rate(info) for info in infos])
    damages = [Damage() for _ in infos]
    with ExitStack() as stack:
        stack.enter_context(_one_thread())
        plan = stack.enter_context(Plan(parts, code, requested))
        streams = [
            stack.enter_context(Overlap(_lumas(part, code, damage, len(parts)), _AHEAD_FRAMES, "luma"))
            for part, damage in zip(parts, damages, strict=True)
        ]
        alignment = Alignment[LumaFrame](streams, [part.offset for part in parts], within)
        times, ordinals = [], []
        for number, group in enumerate(_groups(alignment, parts)):
            if watch is not None:
                watch(group)
            if number % requested.every:
                continue
            plan.add(group)
            times.append(group[0].seconds)
            ordinals.append(tuple(frame.ordinal for frame in group))
            if on_pair is not None:
                on_pair(len(times))
        _check_coverage(alignment, infos)
        curves = plan.finish()
    sides = [_side(*facts) for facts in zip(parts, alignment.counts, alignment.strays, strict=True)]
    return Comparison(
        sides=sides,
        times=times,
        ordinals=ordinals,
        curves=_in_order(curves),
        every=requested.every,
        num_common=alignment.num_groups,
        ssim_grid=plan.ssim_grid,
        notes=(
            *notes,
            *_code_notes(infos, code),
            *plan.notes,
            *_stray_notes(parts, sides),
            *_damage_notes(parts, damages),
        ),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread: the others are the decoders'."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def decoder_threads(num_streams: int) -> int:
    """Threads of each decoder where so many videos are read side by side; they decide speed alone."""
    return min(_MOST_THREADS, max(1, len(os.sched_getaffinity(0)) // (num_streams + 1)))


def _lumas(part: Part, code: LumaCode, damage: Damage, num_streams: int) -> Iterator[LumaFrame]:
    return read_luma(part.info, code, damage, threads=decoder_threads(num_streams), thumbnails=part.thumbnails)


def _groups(alignment: Alignment[LumaFrame], parts: Sequence[Part]) -> Iterator[tuple[LumaFrame, ...]]:
    """All groups; refuses as soon as one video has ended without a single one, and changes of size."""
    infos = [part.info for part in parts]
    sizes = [(info.video.height, info.video.width) for info in infos]
    for group in alignment:
        for info, frame, size in zip(infos, group, sizes, strict=True):
            if frame.luma.shape != size:
                height, width = frame.luma.shape
                raise InputError(
                    f"{info.path}: changes from {size[1]}x{size[0]} to {width}x{height} at "
                    f"{format_seconds(frame.seconds)}; only videos of one size can be compared"
                )
        yield group
    if not alignment.num_groups:
        for info, count in zip(infos, alignment.counts, strict=True):
            if not count:
                raise InputError(f"{info.path}: not a single frame could be decoded")
        spans = ", ".join(f"{part.info.path.name} starts at {_start_in_words(part)}" for part in parts)
        raise UsageError(f"no common times: {spans}; give --offset SECONDS (added to B), or --offset start")


def _start_in_words(part: Part) -> str:
    start = (part.info.video.start_pts or 0) * part.info.video.time_base
    moved = f" with {float(part.offset):+.3f} s added" if part.offset else ""
    return f"{float(start + part.offset):.3f} s{moved}"


def _check_coverage(alignment: Alignment[LumaFrame], infos: Sequence[MediaInfo]) -> None:
    fewest = min(alignment.counts)
    if alignment.num_groups < _LEAST_SHARE * fewest:
        rates = ", ".join(f"{info.path.name} {_rate_text(info)}" for info in infos)
        raise UsageError(
            f"only {alignment.num_groups} of {fewest} frames have a partner at their time ({rates} fps); "
            "bring the videos to one rate first, or give --offset if one starts later"
        )


def _rate(info: MediaInfo) -> Fraction | None:
    return info.video.average_rate or info.video.base_rate


def _rate_text(info: MediaInfo) -> str:
    rate = _rate(info)
    return f"{float(rate):.6g}" if rate else "unknown"


def _side(part: Part, count: int, stray: Stray) -> Side:
    video = part.info.video
    return Side(
        name=part.name,
        path=part.info.path,
        width=video.width,
        height=video.height,
        pix_fmt=video.pix_fmt,
        rate=_rate(part.info),
        num_frames=count,
        num_unpaired=stray.count,
        first_unpaired=stray.first,
        last_unpaired=stray.last,
    )


def _in_order(curves: Sequence[Curve]) -> list[Curve]:
    order = list(METRICS)
    return sorted(curves, key=lambda curve: order.index(curve.metric))


def _code_notes(infos: Sequence[MediaInfo], code: LumaCode) -> list[str]:
    notes = []
    layouts = [info.video.layout for info in infos]
    if any(layout.family == "rgb" for layout in layouts):
        notes.append(f"luma of RGB images: matrix {code.matrix} (ITU-T H.273)")
    depths = {layout.bit_depth for layout in layouts}
    if len(depths) > 1:
        notes.append(f"other depths brought to {code.bit_depth} bits")
    if len({info.video.color.full_range for info in infos if info.video.layout.family != "rgb"}) > 1:
        notes.append(f"other ranges brought to {'full' if code.full_range else 'video'} range")
    return notes


def _stray_notes(parts: Sequence[Part], sides: Sequence[Side]) -> list[str]:
    notes = []
    for part, side in zip(parts, sides, strict=True):
        if side.first_unpaired is not None and side.last_unpaired is not None:
            between = f"{format_seconds(side.first_unpaired)} to {format_seconds(side.last_unpaired)}"
            notes.append(f"{side.num_unpaired} of {side.num_frames} frames of {part.label} have no partner ({between})")
    return notes


def _damage_notes(parts: Sequence[Part], damages: Sequence[Damage]) -> list[str]:
    return [
        f"{damage.total} damaged place{'' if damage.total == 1 else 's'} in {part.label}, concealed by the decoder"
        for part, damage in zip(parts, damages, strict=True)
        if damage.total
    ]
