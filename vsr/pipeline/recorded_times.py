"""Whether an output's times are those of its input, and those were repaired by the rule, as far as the records tell.

The checksums of the input hold the time used for each frame; the manifest holds what was repaired and where timelines
were joined. Together they give what the decoder said, to which the rule is applied again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from operator import sub
from pathlib import Path
from typing import Any

from vsr.media.inspect import video_times
from vsr.timeline import rescale
from vsr.timestamps import LOOKAHEAD, frame_ticks, repair_timestamps

__all__ = ["describe_wrong_rule", "describe_wrong_times"]

_LENGTHS = (Fraction(1), Fraction(3, 2), Fraction(2), Fraction(3))  # of frames without times, with repeated fields


def describe_wrong_rule(used: Sequence[int], manifest: Mapping[str, Any]) -> str:
    """In words, where the times ``used`` for the input's frames are not what the rule gives; empty where they are."""
    video, damage = manifest["input"]["video"], manifest["damage"]
    tick = Fraction(video["time_base"])
    if video.get("untimed_rate"):
        length = 1 / Fraction(video["untimed_rate"]) / tick
        wrong = [n for n in range(1, len(used)) if not _is_length(used[n] - used[n - 1], length)]
        return f"frame {wrong[0]} does not follow at the rate of the stream" if wrong else ""
    if "repaired" not in damage:  # of a version that moved each to the next free tick
        count = damage["repaired_times"]
        return (
            f"{count} times were repaired by the rule of an earlier version; restore the input again" if count else ""
        )
    rates = (Fraction(rate) if rate else None for rate in (video["average_rate"], video["base_rate"]))
    jumps = [(one["before"], one["after"]) for one in damage["timelines"] if one["after"] > one["before"]]
    found = repair_timestamps(
        _describe_decoding(used, damage),
        frame_ticks(tick, *rates),
        max_gap=min((after - before - 1 for before, after in jumps), default=None),
        is_jump=lambda before, after: any(before == one for one, _ in jumps),
    )
    sure = len(used) if not _is_part(manifest) else len(used) - LOOKAHEAD  # what followed a part is not recorded
    wrong = [n for n, (one, time) in enumerate(zip(used, found, strict=True)) if n < sure and one != time.used]
    return f"frame {wrong[0]} and {len(wrong) - 1} more have times that the rule does not give" if wrong else ""


def describe_wrong_times(output: Path, used: Sequence[int], manifest: Mapping[str, Any]) -> str:
    """In words, where the frames of ``output`` are not at the times ``used`` for the input's; empty where they are."""
    segments = manifest["segments"]
    first, stop = min(one["start"] for one in segments), max(one["stop"] for one in segments)
    base = Fraction(manifest["output"]["encoder"]["time_base"])
    source = Fraction(manifest["input"]["video"]["time_base"])
    shift, moved = (Fraction(manifest["times"][name]) for name in ("shift_seconds", "container_shift_seconds"))
    found, clock = video_times(output)
    images = 2 if manifest["deinterlace"] == "field" else 1
    if manifest["deinterlace"] == "film":  # frames and times of its own, between those of the input
        if len(found) != stop - first:
            return f"{len(found)} film frames are there of {stop - first}"
        seconds = [time * source - shift + moved for time in used]
        low, high = seconds[0] - clock, seconds[-1] + max(map(sub, seconds[1:], seconds), default=Fraction(0)) + clock
        num_wrong = sum(not low <= there * clock <= high for there in found.tolist())
        return f"{num_wrong} film frames are outside the times of the input" if num_wrong else ""
    shown = found[::images].tolist()  # of two fields the first has the time of its frame
    if stop > len(used) or len(shown) != stop - first:
        return f"{len(shown)} frames are there of {stop - first}"
    ticks, offset = round(shift / base), rescale(moved.numerator, Fraction(1, moved.denominator), clock)
    wrong = [
        n
        for n, (time, there) in enumerate(zip(used[first:stop], shown, strict=True))
        if rescale(round(time * source / base) - ticks, base, clock) != there - offset
    ]
    return f"frame {wrong[0]} and {len(wrong) - 1} more are not at the input's times" if wrong else ""


def _is_length(ticks: int, length: Fraction) -> bool:
    return any(abs(ticks - length * times) <= 1 for times in _LENGTHS)


def _is_part(manifest: Mapping[str, Any]) -> bool:
    return any(bound is not None for bound in manifest["span"].values())


def _describe_decoding(used: Sequence[int], damage: Mapping[str, Any]) -> list[int | None]:
    """What the decoder gave for each frame."""
    decoded: list[int | None] = []
    offset, starts = 0, {one["ordinal"]: one["offset"] for one in damage["timelines"]}
    for ordinal, time in enumerate(used):
        offset = starts.get(ordinal, offset)
        decoded.append(time - offset)
    for one in damage["repaired"]:
        if one["ordinal"] < len(decoded):
            decoded[one["ordinal"]] = one["decoded"]
    return decoded
