"""What a trial has measured and found, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vsr.media.probe import MediaInfo
from vsr.pipeline.excerpt import Excerpt
from vsr.pipeline.trial import MethodTrial, Part

__all__ = ["cost_note", "describe_length", "describe_seconds", "describe_size", "found_rows", "sameness"]

Row = tuple[str, str]

_NOTHING_MOVES, _SLOW, _QUICK = 0.3, 2.0, 8.0  # mean change of small images, in codes
_BLURRED_PX, _SOFT_PX = 0.9, 0.5
_NOISY, _GRAINY = 6.0, 2.0
_BADLY, _VISIBLY = 6.0, 2.5  # codes of 255 that compression changed


def describe_seconds(seconds: float) -> str:
    """Of a frame: ``0.042 s``, ``1.3 s``, ``12 s``."""
    return f"{seconds:.3f} s" if seconds < 0.1 else f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def describe_length(seconds: float) -> str:
    """Of a run, coarsely: ``40 s``, ``12 min``, ``3.5 h``, ``4 days``."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def describe_size(num_bytes: float) -> str:
    """``12 MB``, ``3.4 GB``."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{max(1, round(num_bytes / 1e6))} MB"


def cost_note(cores: int, num_frames: int | None, *, is_part: bool) -> str:
    """What the figures are."""
    how = "measured on the region and reckoned up to the whole frame" if is_part else "measured"
    count = f"{num_frames} frames, as the header says" if num_frames else "how many frames there are is not known"
    return (
        f"Seconds are {how}, on this machine ({cores} cores) as busy as it was, with one worker; {count}. "
        "Time and size suppose that the rest is like this part; sound and other streams come on top."
    )


def found_rows(info: MediaInfo, excerpt: Excerpt, findings: Sequence[Mapping[str, float]]) -> list[Row]:
    """What was found of the source."""
    video = info.video
    merged = {name: value for one in findings for name, value in one.items()}
    rate = f", {float(video.average_rate):.6g} fps" if video.average_rate else ""
    rows = [("Video", f"{video.codec} {video.width}×{video.height} {video.pix_fmt}{rate}")]
    if "source_blur_px" in merged:
        blur, noise, error = (merged[f"source_{name}"] for name in ("blur_px", "noise_codes", "compression_codes"))
        rows += [
            ("Blur", f"{_degree(blur, _SOFT_PX, _BLURRED_PX, ('sharp', 'soft', 'blurred'))} ({blur:.2f} px)"),
            ("Noise", f"{_degree(noise, _GRAINY, _NOISY, ('little', 'some', 'much'))} ({noise:.1f} of 255)"),
            (
                "Compression",
                f"{_degree(error, _VISIBLY, _BADLY, ('light', 'visible', 'heavy'))} (it changed {error:.1f} of 255)",
            ),
        ]
    elif "input_noise_sigma" in merged:
        rows.append(("Noise", f"{255 * merged['input_noise_sigma']:.1f} of 255"))
    words = ("hardly anything moves", "slow", "lively", "quick")
    levels = (_NOTHING_MOVES, _SLOW, _QUICK)
    rows.append(("Motion", words[sum(excerpt.motion_codes >= level for level in levels)]))
    frames = excerpt.stop - excerpt.start
    if excerpt.num_interlaced:
        rows.append(
            ("Interlacing", f"{excerpt.num_interlaced} of {frames} frames show two moments; {video.field_order}")
        )
    else:
        flagged = ", though the stream is flagged as interlaced" if video.flagged_interlaced else ""
        rows.append(("Interlacing", f"none: every frame is of one moment{flagged}"))
    cuts = len(excerpt.cuts)
    rows.append(("Cuts", f"{cuts or 'none'} among the {excerpt.num_looked_at} frames that were looked at"))
    return rows


def _degree(value: float, low: float, high: float, words: tuple[str, str, str]) -> str:
    return words[(value >= low) + (value >= high)]


def sameness(excerpt: Excerpt, part: Part | None, methods: Mapping[str, MethodTrial]) -> list[str]:
    """How far what is shown is what a run makes."""
    needs = {name: trial.job.prepared.capabilities for name, trial in methods.items()}
    alone = [name for name, one in needs.items() if one.halo_frames == 0 and one.chain_frames == 1]
    several = [name for name in methods if name not in alone]
    lines = ["The code is that of a run; what is shown are the samples that it hands to the encoder."]
    if not excerpt.knows_shot:
        lines.append(
            "The shot begins before the frames that were looked at. What methods learn from its first frames was "
            "learnt from frames near this place, so that a run may differ a little."
        )
    if part is None:
        exact = alone if not several or not excerpt.is_in_step else [*alone, *several]
        if exact and excerpt.knows_shot:
            lines.append(f"{_list(exact)}: the same bytes as in a run over the whole video.")
    elif alone and excerpt.knows_shot and part.is_on_grid:
        lines.append(
            f"{_list(alone)}: the same as in a run, but for a code value here and there where a network's sums round "
            "otherwise; the region is restored with a margin around it."
        )
    elif not part.is_on_grid:
        lines.append("At this factor the region lies on another grid than whole frames do, by a fraction of a pixel.")
    if several and part is not None:
        lines.append(
            f"{_list(several)}: motion was looked for in the region alone, so that a run over whole frames differs "
            "in places. --roi all tries whole frames."
        )
    elif several and excerpt.knows_shot and not excerpt.is_in_step:
        lines.append(f"{_list(several)}: the same bytes as in a run that starts at this frame (--start).")
    return lines


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
