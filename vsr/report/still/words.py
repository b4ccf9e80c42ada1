"""What the record of a still says, in the words of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsr.report.page.facts import Row
from vsr.report.still.images import Region

__all__ = ["agreement", "caption", "files", "found", "frames", "head", "outlines", "request", "says"]

Record = Mapping[str, Any]


def head(record: Record) -> list[Row]:
    """What everybody wants to know."""
    output, estimates = record["output"], record["found"]
    shows = record["reference"]
    return [
        ("Shows", f"frame {shows['ordinal']} at {shows['time']}"),
        ("Size", f"{output['width']}×{output['height']}, {record['request']['scale']:g} times as large"),
        ("Frames", f"{estimates['frames_used']} used of {len(record['frames'])} looked at"),
        ("Detail recorded for", f"about {estimates['supported_scale']:.1f}×"),
        ("Made", str(record["written"]).replace("T", " ").replace("+00:00", " UTC")),
    ]


def says(version: str, record: Record) -> str:
    """What a version that can be compared shows."""
    maps = record["output"]["maps"]
    brightness = "yellow is much, dark violet none"
    return {
        "one frame, enlarged": "the region of the frame that the still shows, enlarged by bicubic interpolation",
        "one frame, sharpened": "the same through an unsharp mask: what sharpening alone can do",
        "the still": "made from all frames used",
        "difference": "that frame less the still as the camera would have recorded it, 8 times as strong; "
        "grey where they agree, and lines or shapes where they do not",
        "support": f"how many frames each pixel rests on ({maps.get('support', '')}); {brightness}",
        "confidence": f"how well the frames agree with the still there ({maps.get('confidence', '')}); {brightness}",
    }[version]


def caption(record: Record) -> str:
    """Below the stage."""
    shows = record["reference"]
    return f"region {record['request']['roi']} of frame {shows['ordinal']} at {shows['time']}"


def outlines(record: Record) -> dict[int, tuple[tuple[float, float], ...]]:
    """The region's corners in each frame used, by ordinal, in pixels from the frame's corner."""
    region = Region.parse(record["request"]["roi"])
    return {
        int(frame["ordinal"]): region.moved(frame["fitted"]["matrix"]) for frame in record["frames"] if frame["used"]
    }


def agreement(record: Record) -> list[Row]:
    """How well the still agrees with what was recorded."""
    quality = record["quality"]
    return [
        ("With its own frame", f"{_decibels(quality['reference_lr_psnr_db'])} LR-PSNR"),
        (
            "With all frames used",
            f"{_decibels(quality['lr_psnr_db'])} LR-PSNR; the residual is {quality['residual_over_noise']:.2f} times "
            "the noise (1: only noise is left)",
        ),
    ]


def _decibels(value: float | None) -> str:
    return "equal" if value is None else f"{value:.1f} dB"


def found(record: Record) -> list[Row]:
    """What was estimated."""
    estimates = record["found"]
    return [
        ("Blur", f"{estimates['psf_sigma_px']:.2f} pixels of the video; {estimates['psf_from']}"),
        ("Strength of smoothing", f"{estimates['regularization']:g}; {estimates['regularization_from']}"),
        ("Noise", f"{255 * estimates['noise_sigma']:.1f} of 255"),
        *_bits(estimates.get("bits_a_pixel")),
        ("Frames a pixel", f"{estimates['frames_a_pixel']:.1f}"),
        ("Motion", record["method"]["motion"]),
        ("Camera", "stands still" if estimates["stands_still"] else "moves"),
    ]


def _bits(value: float | None) -> list[Row]:
    return [] if value is None else [("Compression", f"{value:.3f} bits a pixel, in the usual frame used")]


_REQUESTED = {
    "at": "Time or frame",
    "roi": "Region (x, y, width, height)",
    "frames": "Frames at most",
    "scale": "Magnification",
    "motion": "Motion",
    "psf_sigma_px": "Blur",
    "regularization": "Strength of smoothing",
    "evidence": "Evidence",
    "fps": "Rate",
    "video_stream": "Video stream",
    "cut_threshold": "Threshold of cuts",
    "torch_threads": "Threads",
    "decoder_threads": "Threads of the decoder",
}


def request(record: Record) -> list[Row]:
    """What was asked for."""
    asked = record["request"]
    return [(title, _plain(asked[name])) for name, title in _REQUESTED.items() if name in asked]


def _plain(value: Any) -> str:
    if value is None:
        return "found from the file"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def frames(record: Record) -> list[list[str]]:
    """A row for each frame looked at."""
    rows = []
    for frame in record["frames"]:
        fitted, registration = frame.get("fitted"), frame["registration"]
        rows.append(
            [
                str(frame["ordinal"]),
                str(frame["time"]),
                "used" if frame["used"] else str(frame["reason"]),
                f"{frame['sharpness']:.2f}",
                f"{registration['correlation']:.3f}" if registration["converged"] else "",
                f"{fitted['deviation_px']:.3f}" if fitted and fitted["deviation_px"] is not None else "",
                f"{fitted['weight']:.2f}" if fitted else "",
                f"{fitted['lr_psnr_db']:.1f}" if fitted and fitted["lr_psnr_db"] is not None else "",
            ]
        )
    return rows


def files(record: Record) -> list[Row]:
    """What everything can be checked by."""
    source, output = record["input"], record["output"]
    video = source["video"]
    rows = [
        ("Input", str(source["path"])),
        ("Input image", f"{video['codec']} {video['width']}×{video['height']} {video['pix_fmt']}"),
        ("Input SHA-256", str(source["sha256"] or "none: images; each has its MD5 in the record")),
        *((f"{name}", digest) for name, digest in output["files"].items()),
        ("Record SHA-256", str(record["record_sha256"])),
    ]
    rows.append(("Solver", f"{record['method']['solver']}, {record['method']['precision']}"))
    return rows
