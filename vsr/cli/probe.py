"""``vsr probe``: what a file holds, and what ``upscale`` would do with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.cli.options import InputTransfer

if TYPE_CHECKING:
    from vsr.api import Job, MediaInfo
    from vsr.media.damage import Damage
    from vsr.media.index import PacketIndex
    from vsr.media.looks import Changes
    from vsr.media.probe import VideoInfo
    from vsr.media.streams import StreamInfo
    from vsr.networks import Source

__all__ = ["probe"]

_NAMES = len("pixel aspect")  # the longest that every table of facts has


@dataclass(frozen=True)
class _Found:
    """What there is to say of a file."""

    info: MediaInfo
    index: PacketIndex
    decoded: _Decoded | None
    """What decoding every frame has shown, if that was asked for."""


@dataclass(frozen=True)
class _Judged:
    """What there is to say of its frames, and of what could be done with them."""

    source: Source | None
    """How the first frames came about, as far as they show it."""
    job: Job | str
    """What ``upscale`` would do, or why it would refuse."""


@dataclass(frozen=True)
class _Decoded:
    num_frames: int
    damage: Damage
    changes: Changes


def probe(
    input_: Annotated[Path, typer.Argument(metavar="INPUT", help="Video file, folder of images or pattern.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every frame: exact count, times and damage.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="What the file says alone, at once: nothing estimated, nothing planned.")
    ] = False,
    fps: Annotated[str | None, typer.Option(help="Frame rate of images, and of streams without times.")] = None,
    video_stream: Annotated[
        int | None, typer.Option(metavar="N", help="Number of the video stream that is meant.  [default: the best]")
    ] = None,
    input_transfer: InputTransfer = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Show streams, exact rate, colour, HDR, interlacing, timecode and damage, and what upscale would do and why."""
    del debug
    from vsr import api
    from vsr.media.index import index_packets

    info = api.probe(input_, fps=fps, video_stream=video_stream, input_transfer=input_transfer)
    settings = {"fps": fps, "video_stream": video_stream, "input_transfer": input_transfer}
    found = _Found(info, index_packets(info), _decode_all(info) if deep else None)
    if json_:
        _print_json(found, None if quick else _judge(input_, info, settings))
        return
    _print_facts(found)
    if not quick:
        sys.stdout.flush()  # the rest needs torch, which takes seconds to load
        _print_judged(_judge(input_, info, settings))


def _judge(path: Path, info: MediaInfo, settings: Mapping[str, Any]) -> _Judged:
    from vsr import api
    from vsr.errors import UsageError

    job: Job | str
    try:
        stream = settings["video_stream"]
        target = Path(api.pair_outputs([str(path)], "./", make_folder=False, video_stream=stream)[0][1])
        job = api.plan(path, target.with_stem(f"{target.stem}-2x"), settings=settings)
    except UsageError as error:
        job = str(error)
    return _Judged(api.estimate_source(info), job)


def _decode_all(info: MediaInfo) -> _Decoded:
    from vsr.media.damage import Damage
    from vsr.media.looks import Changes
    from vsr.media.reading import scan_and_judge

    damage, changes, count = Damage(), Changes(info), 0
    for record, _ in scan_and_judge(info, 1, damage, lambda record, frame: None):
        count += 1
        changes.add(record)
    return _Decoded(count, damage, changes)


def _print_json(found: _Found, judged: _Judged | None) -> None:
    import json

    from vsr.pipeline.sidecar import canonical

    decoded = found.decoded
    changes = None if decoded is None else decoded.changes
    report: dict[str, Any] = {
        "media": canonical(found.info),
        "index": canonical(found.index),
        "num_frames_from_content": None if decoded is None else decoded.num_frames,
        "damage": None if decoded is None else canonical(decoded.damage),
        "source": None if judged is None or judged.source is None else canonical(judged.source),
        "changes": None if changes is None else {"count": changes.count, "first": canonical(changes.changes)},
        "upscale": None if judged is None else _plan_facts(judged.job),
    }
    print(json.dumps(report, indent=1))


def _plan_facts(job: Job | str) -> dict[str, Any]:
    if isinstance(job, str):
        return {"refused": job}
    return {
        "size": [job.out_width, job.out_height],
        "method": job.settings.method,
        "codec": job.encoder.codec.name,
        "pix_fmt": job.encoder.layout.name,
        "container": job.container,
        "deinterlace": job.deinterlace,
        "assumptions": list(job.assumptions),
        "dropped": list(job.dropped),
    }


def _print_facts(found: _Found) -> None:
    from vsr.cli.console import print_table
    from vsr.timeline import format_seconds

    info, decoded = found.info, found.decoded
    length = format_seconds(info.duration) if info.duration is not None else "unknown length"
    rows = [("file", f"{info.path} ({info.container}, {length}, starts at {float(info.start):.6f} s)")]
    rows += [
        (f"stream {s.index}", _stream(s) + (", the one described below" if s.index == info.video.index else ""))
        for s in info.streams
        if s.index != info.video.index or _has_choice(info)
    ]
    if info.num_chapters:
        rows.append(("chapters", str(info.num_chapters)))
    rows += _video_rows(info) + _time_rows(found) + _change_rows(decoded)
    print_table(rows + _damage_rows(found.index, decoded))


def _print_judged(judged: _Judged) -> None:
    from vsr.cli.console import print_table
    from vsr.pipeline.plan_words import plan_rows

    job = judged.job
    print_table([(name.ljust(_NAMES), value) for name, value in _source_rows(judged.source)])
    print("\nvsr upscale would")
    print_table([("  refuse", job)] if isinstance(job, str) else [(f"  {n}", v) for n, v in plan_rows(job)[1:]])


def _has_choice(info: MediaInfo) -> bool:
    """Whether the file holds several videos."""
    return sum(stream.kind == "video" for stream in info.streams) > 1


def _stream(stream: StreamInfo) -> str:
    words = " ".join(part for part in (stream.kind, stream.codec, stream.size, stream.language or "") if part)
    named = [stream.metadata.get("title", ""), f"programme {stream.program}" if stream.program else ""]
    if stream.kind == "video":
        named.append(f"--video-stream {stream.index}")
    return ", ".join([words, *(name for name in named if name)])


def _source_rows(source: Source | None) -> list[tuple[str, str]]:
    if source is None:
        return []
    text = f"compression changed it by about {source.compression_codes:.1f} of 255, noise {source.noise_codes:.1f}"
    return [("looks", f"{text}, blur {source.blur_px:.2f} px (first frames)")]


def _video_rows(info: MediaInfo) -> list[tuple[str, str]]:
    from vsr.media.color import COLOR_NAMES

    video, color = info.video, info.video.color
    names = [
        COLOR_NAMES[table].get(code, str(code))
        for table, code in (("primaries", color.primaries), ("transfer", color.transfer), ("matrix", color.matrix))
    ]
    siting = f", chroma {color.chroma_location}" if video.layout.chroma_shift_x or video.layout.chroma_shift_y else ""
    rows = [
        (f"video {video.index}", f"{video.codec} {video.width}x{video.height} {video.pix_fmt}"),
        ("colour", f"{'/'.join(names)}, {'full' if color.full_range else 'video'} range{siting}"),
        *(("", text) for text in video.assumptions),
        ("pixel aspect", str(video.sample_aspect_ratio)),
        ("scan", _scan(video)),
    ]
    if video.display:
        mirror = ", mirrored" if video.display.mirrored else ""
        rows.append(("rotation", f"{video.display.rotation:g}° counter-clockwise{mirror}"))
    if video.mastering or video.content_light:
        light = f", MaxCLL/MaxFALL {video.content_light}" if video.content_light else ""
        rows.append(("HDR", f"{video.mastering.x265() if video.mastering else 'no mastering display'}{light}"))
    rows += [("HDR", f"{name}: cannot be kept") for name in video.dropped_hdr]
    rows += [("beside", f"{name}: cannot be kept") for name in video.lost]
    if video.has_captions:
        rows.append(("captions", "closed captions (EIA-608/708) inside the video: cannot be kept"))
    if video.drops_alpha:
        rows.append(("alpha", f"the decoder of {video.codec} does not give it: cannot be kept"))
    if video.immersive is not None:
        rows.append(("shown as", str(video.immersive)))
    if video.icc is not None:
        rows.append(("ICC profile", f"{video.icc.name} {video.icc.space}".strip()))
    if video.timecode:
        rows.append(("timecode", video.timecode))
    return rows


def _scan(video: VideoInfo) -> str:
    scan = f"interlaced, {video.field_order}" if video.interlaced else "progressive"
    if video.cadence is not None:
        scan += f", showing film ({video.cadence})"
    if video.interlaced == video.flagged_interlaced:
        return scan
    return f"{scan}, though it is flagged as {'interlaced' if video.flagged_interlaced else 'progressive'}"


def _time_rows(found: _Found) -> list[tuple[str, str]]:
    index, rate = found.index, found.index.common_rate
    shown = f"{rate} ({float(rate):.6g})" if rate else "unknown"
    kind = f"variable, mostly {shown}" if index.is_vfr else shown
    counted = f"{index.num_packets} packets, {index.num_keyframes} key"
    if found.decoded is not None:
        counted = f"{found.decoded.num_frames} (decoded)"
    return [("frame rate", f"{kind}; clock {found.info.video.time_base} s"), ("frames", counted)]


def _change_rows(decoded: _Decoded | None) -> list[tuple[str, str]]:
    if decoded is None:
        return [("changes", "not looked for after the first frames (use --deep)")]
    changes = decoded.changes
    rows = [("changes", str(change)) for change in changes.changes]
    if changes.count > len(rows):
        rows.append(("changes", f"and {changes.count - len(rows)} more"))
    return rows or [("changes", "none: one size, shape, format, colour and scan")]


def _damage_rows(index: PacketIndex, decoded: _Decoded | None) -> list[tuple[str, str]]:
    rows = []
    if index.num_corrupt:
        rows.append(("damage", f"{index.num_corrupt} packets flagged as damaged"))
    if index.num_lead:
        rows.append(("damage", f"{index.num_lead} packets before the first key frame give no frame"))
    if index.num_empty:
        rows.append(("empty", f"{index.num_empty} samples without data: the frame before goes on; no damage"))
    if index.num_repeated_times or index.num_without_time:
        rows.append(("damage", f"{index.num_repeated_times} repeated and {index.num_without_time} missing times"))
    if index.read_error:
        rows.append(("damage", f"reading ends early: {index.read_error}"))
    if decoded is not None:
        rows += [("damage", text) for text in decoded.damage.events]
    return rows or [("damage", "none seen" if decoded is not None else "none seen (use --deep to decode everything)")]
