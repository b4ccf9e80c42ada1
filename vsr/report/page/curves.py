"""The curves of a report: agreement with the input, with a reference, sharpness, and what the method found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from vsr.report.comparison import METRICS, Comparison, Curve
from vsr.report.page.charts import Chart, Line, Mark, chart
from vsr.report.page.records import Pair
from vsr.report.page.survey import Survey

__all__ = ["report_charts"]

_CONSISTENT_DB = 45.0
"""LR-PSNR from which results count as consistent (NTIRE 2021 challenge on the space of super-resolved images)."""
_FINDINGS = {
    "frames_used": ("Frames used: frames that a pixel rests on", "", 1, 1.0),
    "confidence": ("Confidence: mean weight of the samples of neighbouring frames", "", 2, 1.0),
    "residual_over_noise": ("Residual: difference from the input over its noise; 1 is what should be left", "", 2, 1.0),
    "noise_sigma": ("Noise and misregistration: standard deviation", "of 255", 2, 255.0),
    "psf_sigma_px": ("Blur: standard deviation", "input px", 2, 1.0),
}
_MORE_IS_BETTER = {"frames_used", "confidence"}
_PAIR_TITLES = {
    "lr_psnr": "Agreement with the input: the output as stored, degraded again",
    "psnr": "PSNR against the reference",
    "ssim": "SSIM against the reference",
}
_ABOUT = {"a": "input", "b": "output", "reference": "reference"}


def report_charts(found: Survey, segments: Sequence[Mapping[str, Any]], marks: Sequence[Mark]) -> list[Chart]:
    """All charts that there is something for."""
    comparison = found.comparison
    times = _output_seconds(found)
    duration = float(found.pairs[-1].seconds - found.pairs[0].seconds) or 1.0
    cuts = [float(found.pairs[cut].seconds - found.pairs[0].seconds) for cut in found.cuts]
    has_input = found.pairs[0].input is not None
    charts = []
    for metric in ("lr_psnr", "psnr", "ssim", "sharpness"):
        by_model = metric == "lr_psnr" and comparison.curve("model_lr_psnr") is not None
        names = ("model_lr_psnr", metric) if by_model else (metric,)
        curves = [curve for name in names for curve in comparison.curves if curve.metric == name]
        lines = [Line(_line_label(curve, has_input), times, curve.values) for curve in _output_first(curves)]
        known = METRICS[metric]
        title = _title(metric, comparison, has_input)
        level = (_CONSISTENT_DB, "45 dB") if names == ("lr_psnr",) else None
        if lines:
            drawn = chart(
                title,
                known.unit,
                lines,
                duration=duration,
                decimals=known.decimals,
                cuts=cuts,
                marks=marks,
                level=level,
            )
            charts.append(drawn)
    charts += _finding_charts(found.pairs, segments, duration, cuts)
    return [each for each in charts if each is not None]


def _output_seconds(found: Survey) -> list[float]:
    """Times of the measured frames, from the first frame of the output."""
    start = found.pairs[0].seconds
    measured = found.pairs[:: found.comparison.every]
    return [float(pair.seconds - start) for pair in measured]


def _output_first(curves: Sequence[Curve]) -> list[Curve]:
    return sorted(curves, key=lambda curve: ("b", "", "a", "reference").index(curve.about))


def _line_label(curve: Curve, has_input: bool) -> str:
    if curve.metric in ("lr_psnr", "model_lr_psnr"):
        return "by bicubic (LR-PSNR)" if curve.metric == "lr_psnr" else "as the method assumes"
    if curve.metric in ("psnr", "ssim") and curve.about == "a":
        return "input, enlarged by bicubic"
    return _ABOUT.get(curve.about, "output")


def _title(metric: str, comparison: Comparison, has_input: bool) -> str:
    if metric == "sharpness":
        return "Sharpness: step between neighbouring pixels"
    with_reference = any(side.name == "reference" for side in comparison.sides)
    if metric in ("psnr", "ssim") and has_input and not with_reference:
        return f"{METRICS[metric].label} of the output against the input"
    return _PAIR_TITLES[metric]


def _finding_charts(
    pairs: Sequence[Pair], segments: Sequence[Mapping[str, Any]], duration: float, cuts: Sequence[float]
) -> list[Chart | None]:
    if not segments:
        return []
    charts = []
    for name, (title, unit, decimals, factor) in _FINDINGS.items():
        line = _finding_line(name, factor, pairs, segments)
        if any(value is not None for value in line.values):
            drawn = chart(
                title,
                unit,
                [line],
                duration=duration,
                decimals=decimals,
                cuts=cuts,
                from_zero=True,
                low_is_good=name not in _MORE_IS_BETTER,
            )
            charts.append(drawn)
    return charts


def _finding_line(name: str, factor: float, pairs: Sequence[Pair], segments: Sequence[Mapping[str, Any]]) -> Line:
    """One value an image where segments have it, else steps: one value a segment."""
    if not any(name in segment["curves"] for segment in segments):
        values = [segment["findings"].get(name) for segment in segments]
        return Line("output", _segment_starts(pairs, segments), _times(factor, values), is_step=True)
    first, per_frame = segments[0]["start"], _images_a_frame(pairs, segments)
    by_output: dict[int, float | None] = {}
    for segment in segments:
        start, stop = (per_frame * (segment[end] - first) for end in ("start", "stop"))
        same = [segment["findings"].get(name)] * (stop - start)
        by_output |= enumerate(segment["curves"].get(name, same), start)
    seconds = [float(pair.seconds - pairs[0].seconds) for pair in pairs]
    return Line("output", seconds, _times(factor, [by_output.get(pair.output) for pair in pairs]))


def _times(factor: float, values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else factor * value for value in values]


def _images_a_frame(pairs: Sequence[Pair], segments: Sequence[Mapping[str, Any]]) -> int:
    """Two where fields were made into frames."""
    num_source = segments[-1]["stop"] - segments[0]["start"]
    return max(1, round(Fraction(max(1, pairs[-1].output + 1), max(1, num_source))))


def _segment_starts(pairs: Sequence[Pair], segments: Sequence[Mapping[str, Any]]) -> list[float]:
    """When each segment begins, from the first frame of the output. Segments count source frames."""
    first, per_frame = segments[0]["start"], _images_a_frame(pairs, segments)
    by_output = {pair.output: pair.seconds for pair in pairs}
    known, starts = pairs[0].seconds, []
    for segment in segments:
        known = by_output.get((segment["start"] - first) * per_frame, known)
        starts.append(float(known - pairs[0].seconds))
    return starts
