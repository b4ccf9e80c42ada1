"""Making the report page of an output: look at both videos, choose, gather, write."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from vsr.errors import UsageError, VsrError
from vsr.media.display import is_tone_mapped
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe, probe_output
from vsr.observation.degradation import degradation_at
from vsr.pipeline.manifest import manifest_path
from vsr.report.encode import Encoded, data_uri, encode_images, jpeg, thumbnail
from vsr.report.files import PAGE_SUFFIXES, check_place, write_text
from vsr.report.page.charts import Mark
from vsr.report.page.curves import report_charts
from vsr.report.page.facts import Facts, read_facts
from vsr.report.page.images import Gathered, gather
from vsr.report.page.inputs import find_input, read_restored_manifest
from vsr.report.page.picking import pick_excerpt, pick_frames
from vsr.report.page.records import Clip, Excerpt, Pick, Shown
from vsr.report.page.survey import Survey, survey
from vsr.report.render import render
from vsr.timeline import format_seconds

__all__ = ["PageOptions", "make_page", "page_path"]

_MEASURED_FRAMES = 3000
_CLIP_SECONDS, _CLIP_FRAMES = 6.0, 180
_CLIP_SHARE = 0.2  # of the page, at most
_TEXT_BYTES = 400_000  # left for everything that is not an image
_MANIFEST_BYTES = 200_000
_BASE64 = 4 / 3
_SHOWN_EVENTS, _SHOWN_CUTS, _SHOWN_SEGMENTS = 100, 40, 200

Stage = Literal["comparing", "gathering", "writing"]
OnStep = Callable[[Stage, int], None]
"""Hears of each stage, with the number of frames compared so far."""


@dataclass(frozen=True)
class PageOptions:
    """What a page holds."""

    num_frames: int = 12
    """Frames that are shown."""
    with_video: bool = True
    most_bytes: int = 8_000_000
    """The page is not to be larger; images lose quality first, and the video goes last."""
    largest: tuple[int, int] = (1920, 1200)
    """Width and height that larger images are shrunk to."""

    def __post_init__(self) -> None:
        if not 1 <= self.num_frames <= 100:
            raise UsageError(f"a report shows 1 to 100 frames, not {self.num_frames}")
        if self.most_bytes < 1_000_000:
            raise UsageError(f"a report needs 1 MB at least, got {self.most_bytes} bytes")


def page_path(output: Path) -> Path:
    """Where the page of ``output`` goes by default: beside it, or beside an image sequence's folder."""
    if "%" in output.name:
        return output.parent.with_name(f"{output.parent.name}.report.html")
    return output.with_name(f"{output.name}.report.html")


def make_page(
    output: Path,
    target: Path | None = None,
    *,
    reference: Path | None = None,
    options: PageOptions | None = None,
    on_step: OnStep | None = None,
) -> Path:
    """Write the page of ``output``, which has its manifest beside it; returns where.

    The input is shown where it still is what it was. Raises `UsageError` for outputs of other commands,
    `VerificationError` where there is no manifest or where the
    output is another file than it describes, `MachineError` where the page cannot be written.
    """
    requested, place = options or PageOptions(), target or page_path(output)
    check_place(place, [output, manifest_path(output), *([reference] if reference is not None else [])], PAGE_SUFFIXES)
    tell = on_step or (lambda stage, frames: None)
    manifest = read_restored_manifest(output)
    found = find_input(output, manifest)
    if found.info is not None:
        check_place(place, [found.info.path])
    info = probe_output(output)
    reference_info = probe(reference) if reference is not None else None
    notes = list(found.notes)
    result = _survey(info, found.info, reference_info, manifest, notes, tell)
    source = found.info if result.pairs[0].input is not None else None
    picks = pick_frames(result.pairs, result.cuts, result.consistency(), requested.num_frames)
    excerpt = pick_excerpt(result.pairs, result.cuts, _CLIP_SECONDS, _CLIP_FRAMES) if requested.with_video else None
    tell("gathering", len(result.comparison.times))
    clip_bytes = int(requested.most_bytes * _CLIP_SHARE / _BASE64)
    gathered = gather(info, source, picks, excerpt, largest=requested.largest, clip_bytes=clip_bytes)
    encoded, clip = _fit(gathered, requested, notes)
    tell("writing", len(result.comparison.times))
    page = _Page(output, manifest, info, source, result, picks, gathered, encoded)
    write_text(place, page.html(clip, excerpt, notes))
    return place


def _survey(
    info: MediaInfo,
    source: MediaInfo | None,
    reference_info: MediaInfo | None,
    manifest: Mapping[str, Any],
    notes: list[str],
    tell: OnStep,
) -> Survey:
    """The first pass; without the input where the two cannot be brought together, and then a note says why."""
    frames = int(manifest["times"]["num_frames"])
    times = manifest["times"]
    shift = Fraction(times["shift_seconds"]) - Fraction(times["container_shift_seconds"])

    def go(source: MediaInfo | None, reference_info: MediaInfo | None) -> Survey:
        return survey(
            info,
            source,
            reference_info,
            shift=shift,
            every=-(-frames // _MEASURED_FRAMES),
            cut_threshold=float(manifest["settings"]["cut_threshold"]),
            degradation=manifest["method"]["assumed_degradation"],
            on_pair=lambda count: tell("comparing", count),
        )

    try:
        result = go(source, reference_info)
    except VsrError as error:
        if source is None:
            raise
        notes.append(f"the input is not shown: {error}")
        result = go(None, reference_info)
    notes += _say(result.comparison.notes, is_part=any(manifest["span"].values()))
    if result.comparison.every > 1:
        notes.append(f"measured: one in {result.comparison.every} frames")
    return result


def _say(notes: Sequence[str], *, is_part: bool) -> list[str]:
    """What readers of a page need of a comparison's notes; ``is_part``: only a part of the input was restored."""
    shown = [note for note in notes if not note.startswith("luma of RGB")]
    reason = "only a part of the input was asked for: "
    return [reason + note if is_part and "frames of the input have no partner" in note else note for note in shown]


def _fit(gathered: Gathered, requested: PageOptions, notes: list[str]) -> tuple[Encoded, bytes]:
    """Images, and the video if there is room for it."""
    room = int((requested.most_bytes - _TEXT_BYTES) / _BASE64)
    images = {"before": gathered.before, "after": gathered.after}
    encoded = encode_images(images, room - len(gathered.clip))
    if encoded.num_bytes + len(gathered.clip) <= room:
        return encoded, gathered.clip
    if gathered.clip:
        notes.append("the video is left out: with it the page would be larger than it may be")
        encoded = encode_images(images, room)
    if encoded.num_bytes > room:
        notes.append("the page is larger than it should be; show fewer frames")
    return encoded, b""


@dataclass(frozen=True)
class _Frame:
    """A frame with its words."""

    shown: Shown
    where: str
    clock: str
    value: str
    why: str


@dataclass(frozen=True)
class _Page:
    """Everything that goes into the template."""

    output: Path
    manifest: Mapping[str, Any]
    info: MediaInfo
    source: MediaInfo | None
    found: Survey
    picks: Sequence[Pick]
    gathered: Gathered
    encoded: Encoded

    def html(self, clip: bytes, excerpt: Excerpt | None, notes: Sequence[str]) -> str:
        """The page."""
        facts = read_facts(self.manifest, self.output)
        frames = [self._frame(pick) for pick in self.picks]
        height, width = next(iter(self.gathered.after.values())).shape[:2]
        ratio = self._display_ratio(width, height)
        start = self.found.pairs[0].seconds
        marks = [
            Mark(float(pick.pair.seconds - start), f"frame-{number}", f"Frame {number}, {frame.clock}")
            for number, (pick, frame) in enumerate(zip(self.picks, frames, strict=True), 1)
        ]
        charts = report_charts(self.found, self.manifest["segments"], marks)
        for_template = [
            {"title": c.title, "unit": c.unit, "svg": Markup(c.svg), "lines": c.lines, "summary": c.summary}
            for c in charts
        ]
        columns, rows = _segment_table(self.manifest["segments"])
        return render(
            "report",
            style=_stage_style(ratio),
            version=version("vsr"),
            made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
            facts=facts,
            agreement=self._agreement(),
            notes=notes,
            has_before=self.source is not None,
            frames=frames,
            thumbnail={"width": 160, "height": max(1, round(160 / ratio))},
            clip=self._clip(clip, excerpt),
            charts=for_template,
            cuts=bool(self.found.cuts),
            cuts_text=self._cuts_text(),
            segments=rows,
            segment_columns=columns,
            manifest=_manifest_text(self.manifest),
            image_note=self._image_note(facts),
        )

    def _display_ratio(self, width: int, height: int) -> float:
        """Width over height on the screen."""
        aspect = float(self.info.video.sample_aspect_ratio)
        return width / height * (1 / aspect if self.info.video.display.is_sideways else aspect)

    def _frame(self, pick: Pick) -> _Frame:
        pair = pick.pair
        before = self.encoded.files["before"].get(pair.output)
        value = self.found.agreement_of(pair)
        shown = Shown(
            pick=pick,
            before=data_uri("image/webp", before) if before is not None else None,
            after=data_uri("image/webp", self.encoded.files["after"][pair.output]),
            thumbnail=data_uri("image/jpeg", thumbnail(self.gathered.after[pair.output])),
        )
        clock = format_seconds(pair.seconds)
        reasons = {"spread": "", "cut": "a shot begins", "worst": "agrees least with the input"}
        text = "" if value is None else f"agreement {value:.1f} dB"
        return _Frame(shown, f"frame {pair.output} at {clock}", clock, text, reasons[pick.reason])

    def _agreement(self) -> str:
        curve = self.found.agreement()
        if curve is None or curve.pooled is None or not math.isfinite(curve.pooled) or self.source is None:
            return ""
        assumed = self.manifest["method"]["assumed_degradation"]
        how = {
            "model_lr_psnr": f"degraded again by a blur of {degradation_at(assumed, 1).psf_sigma_px:.2f} px",
            "lr_psnr": "downscaled again by bicubic",
            "psnr": "sample by sample",
        }[curve.metric]
        text = f"As stored and {how}, it agrees with the input to {curve.pooled:.1f} dB ({len(curve.values)} frames)."
        return f"{text} 45 dB and more count as consistent." if curve.metric == "lr_psnr" else text

    def _clip(self, data: bytes, excerpt: Excerpt | None) -> Clip | None:
        first = self.gathered.poster
        if not data or excerpt is None or first is None:
            return None
        times = [format_seconds(excerpt.pairs[place].seconds) for place in (0, -1)]
        span = "the whole video" if excerpt.is_whole else f"{times[0]} to {times[1]}"
        by_pixel = ", pixel by pixel" if self.info.video.sample_aspect_ratio == 1 else ""
        what = f"A detail{by_pixel}" if self.gathered.is_detail else "The whole image"
        sides = (
            ": left the input enlarged by bicubic, right the output" if self.source is not None else " of the output"
        )
        poster = data_uri("image/jpeg", jpeg(first, 80))
        return Clip(data_uri("video/mp4", data), first.shape[1], first.shape[0], f"{what}{sides}; {span}.", poster)

    def _cuts_text(self) -> str:
        cuts = [self.found.pairs[cut] for cut in self.found.cuts]
        if not cuts:
            return "One shot: no cut was found."
        shown = ", ".join(f"{format_seconds(p.seconds)} (frame {p.output})" for p in cuts[:_SHOWN_CUTS])
        more = f" and {len(cuts) - _SHOWN_CUTS} more" if len(cuts) > _SHOWN_CUTS else ""
        return f"{len(cuts) + 1} shots; new ones begin at {shown}{more}."

    def _image_note(self, facts: Facts) -> str:
        parts = [f"Images are WebP of quality {self.encoded.quality}"]
        width = next(iter(self.gathered.after.values())).shape[1]
        if width < self.gathered.most_pixels_wide:
            parts.append(f"shown at {width} of {self.gathered.most_pixels_wide} pixels' width")
        if is_tone_mapped(self.info.video.color):
            parts.append("HDR is brought to SDR for this page alone")
        return f"{', '.join(parts)}."


def _stage_style(ratio: float) -> str:
    return (
        f".pane{{aspect-ratio:{ratio:.5f}}}"
        f'.live[data-mode="slider"] .stage,.live[data-mode="blink"] .stage,.live[data-mode="alone"] .stage'
        f"{{aspect-ratio:{ratio:.5f};max-width:calc(78vh*{ratio:.5f});margin:0 auto}}"
        f'.live[data-mode="side"] .stage{{max-width:calc(156vh*{ratio:.5f});margin:0 auto}}'
        f".slider{{max-width:calc(78vh*{ratio:.5f})}}"
    )


def _segment_table(segments: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of what was found, segment by segment."""
    names = list(dict.fromkeys(name for segment in segments for name in segment["findings"]))
    rows = []
    for segment in segments[:_SHOWN_SEGMENTS]:
        found = [segment["findings"].get(name) for name in names]
        cells = ["" if value is None else f"{value:.4g}" for value in found]
        rows.append([f"{segment['start']}–{segment['stop'] - 1}", *cells, f"{segment['seconds']:.1f}"])
    return [*(name.replace("_", " ") for name in names), "seconds"], rows


def _manifest_text(manifest: Mapping[str, Any]) -> str:
    """As it is, or where that is too long, without curves, which are drawn, and then without segments."""
    drawn = [{name: value for name, value in one.items() if name != "curves"} for one in manifest["segments"]]
    count = f"{len(manifest['segments'])} segments, in the manifest's own file"
    for segments in (manifest["segments"], drawn, count):
        text = json.dumps({**manifest, "segments": segments}, indent=1, ensure_ascii=False)
        if len(text) <= _MANIFEST_BYTES:
            return text
    return text[:_MANIFEST_BYTES]
