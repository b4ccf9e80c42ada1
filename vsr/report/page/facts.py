"""What a manifest says, in the words of a report page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.media.codecs import quality_in_words
from vsr.media.color import COLOR_NAMES
from vsr.media.damage import describe_damage
from vsr.methods.findings import describe_findings

__all__ = ["Evidence", "Facts", "Row", "describe_evidence", "read_facts"]

_NAMED_CHANGES = 10  # in mid-stream; the manifest has them all

Row = tuple[str, str]
"""A name and what there is to say about it."""


@dataclass(frozen=True)
class Evidence:
    """What a result rests on."""

    kind: str
    """``recorded``, ``learned`` or ``invented``, for the looks of the page."""
    title: str
    sentence: str
    generative: str
    """Whether a generative model took part, in a sentence."""


_EVIDENCE = {
    "interpolation": (
        "recorded",
        "Interpolation",
        "Every pixel is computed from recorded pixels of the same frame. Nothing was added.",
    ),
    "observation-model": (
        "recorded",
        "Reconstruction from the recording",
        "Every pixel rests on samples that the camera recorded, in the frame itself and in its neighbours, put "
        "together through a model of lens and sensor.",
    ),
    "learned": (
        "learned",
        "Learned restoration",
        "A network trained on other images took part. Detail may come from its training rather than from the "
        "recording.",
    ),
    "generative": (
        "invented",
        "Generative model",
        "A generative model took part. It invents plausible detail that was not recorded: this image is no evidence.",
    ),
}


@dataclass(frozen=True)
class Facts:
    """The rows of a page's tables."""

    input_name: str
    output_name: str
    evidence: Evidence
    head: Sequence[Row]
    """The few that everybody wants to know."""
    files: Sequence[Row]
    method: Sequence[Row]
    findings: Sequence[str]
    settings: Sequence[Row]
    damage: Sequence[str]
    """Damage and repaired times in words; empty where there was none."""
    events: Sequence[str]
    """The first events, one by one."""
    remarks: Sequence[str]
    """Assumptions, and what was left out."""
    software: Sequence[Row]


def describe_evidence(name: str, is_generative: bool) -> Evidence:
    """Words for a class of evidence; a class that this version does not know is said so."""
    kind, title, sentence = _EVIDENCE.get(
        name, ("learned", f"Evidence class {name!r}", "This version of vsr does not know that class.")
    )
    took_part = "A generative model took part." if is_generative else "No generative model took part."
    return Evidence("invented" if is_generative else kind, title, sentence, took_part)


def read_facts(manifest: Mapping[str, Any], output: Path) -> Facts:
    """The tables of a page, from a manifest."""
    source, result, method = manifest["input"], manifest["output"], manifest["method"]
    video, encoder, times = source["video"], result["encoder"], manifest["times"]
    seconds, frames = float(manifest["seconds"]), int(times["num_frames"])
    sizes = f"{video['width']}×{video['height']} → {encoder['width']}×{encoder['height']}"
    return Facts(
        input_name=Path(source["path"]).name,
        output_name=output.parent.name if "%" in output.name else output.name,
        evidence=describe_evidence(method["evidence"], bool(method["generative"])),
        head=[
            ("Size", sizes),
            ("Frames", str(frames)),
            ("Method", method["name"]),
            ("Restored", str(manifest["written"]).replace("T", " ").replace("+00:00", " UTC")),
        ],
        files=_file_rows(source, result, times),
        method=_method_rows(manifest),
        findings=describe_findings(method["findings"]),
        settings=[(name, _plain(value)) for name, value in manifest["settings"].items()],
        damage=describe_damage(manifest["damage"]),
        events=[str(event) for event in manifest["damage"]["events"]],
        remarks=[*map(str, manifest["assumptions"]), *(f"left out: {text}" for text in result["dropped"])],
        software=[
            ("Processor", str(manifest["device"])),
            ("Time taken", f"{seconds:.1f} s" + (f", {frames / seconds:.2f} frames a second" if seconds > 0 else "")),
            *((str(name), str(version)) for name, version in manifest["versions"].items()),
        ],
    )


def _file_rows(source: Mapping[str, Any], result: Mapping[str, Any], times: Mapping[str, Any]) -> list[Row]:
    video, encoder = source["video"], result["encoder"]
    quality = quality_in_words(encoder["codec"], lossless=bool(encoder.get("lossless")), quality=encoder.get("quality"))
    digests = list(result["files"].values())
    exact = "exactly those of the input" if times["exact"] else "those of the input, rounded once to the file's clock"
    shift = str(times["shift_seconds"])
    rows = [
        ("Input", str(source["path"])),
        ("Input image", f"{video['codec']} {video['width']}×{video['height']} {video['pix_fmt']}, {_color(video)}"),
        ("Input SHA-256", str(source["sha256"] or "none: an image sequence")),
        ("Output", str(result["path"])),
        (
            "Output image",
            f"{encoder['codec']} {encoder['width']}×{encoder['height']} {encoder['layout']['name']}"
            + (f", {quality}" if quality else ""),
        ),
        ("Output SHA-256", str(digests[0]) if len(digests) == 1 else f"{len(digests)} files, in the manifest"),
        ("Times", exact + ("" if shift in ("0/1", "0") else f", less {shift} s")),
    ]
    if result["copied_streams"]:
        rows.append(("Copied streams", ", ".join(map(str, result["copied_streams"]))))
    return rows


def _color(video: Mapping[str, Any]) -> str:
    color = video["color"]
    names = [COLOR_NAMES[key].get(color[key], str(color[key])) for key in ("primaries", "transfer", "matrix")]
    return f"{'/'.join(names)}, {'full' if color['full_range'] else 'video'} range"


def _method_rows(manifest: Mapping[str, Any]) -> list[Row]:
    method = manifest["method"]
    rows = [("Method", str(method["name"])), ("Evidence class", str(method["evidence"]))]
    if method.get("model"):
        rows.append(("Model", _plain(method["model"])))
    rows += [(str(name), _plain(value)) for name, value in method["options"].items()]
    for one in method.get("passes", []):
        options = ", ".join(f"{name}={_plain(value)}" for name, value in one["options"].items())
        rows.append((f"Pass {one['name']}", f"{one['place']} the enlarging; {options}"))
    if manifest["deinterlace"] == "film":
        rows.append(("Deinterlaced", "film frames put together from the fields of the video"))
    elif manifest["deinterlace"] != "off":
        rows.append(("Deinterlaced", f"one image a {manifest['deinterlace']}"))
    for change in manifest.get("changes", {}).get("first", [])[:_NAMED_CHANGES]:
        words = f"{change['what']} {change['before']} becomes {change['after']}; {change['handling']}"
        rows.append((f"From frame {change['frame']}", words))
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return "—" if value is None else "yes" if value is True else "no" if value is False else str(value)
