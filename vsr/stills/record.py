"""The evidence record of a still: everything that went in, was decided, and came out."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vsr.media.ffmpeg import ffmpeg_version
from vsr.media.probe import MediaInfo
from vsr.methods.source import estimator_digest
from vsr.observation.limits import supported_scale
from vsr.pipeline.provenance import sentence
from vsr.pipeline.sidecar import canonical, device_class, file_digest, software_versions
from vsr.registration import Registration
from vsr.solvers import DEFAULT_SOLVER
from vsr.stills.make import Made
from vsr.stills.options import Source, StillOptions
from vsr.stills.steps import describe_steps
from vsr.stills.window import Place, seconds_of
from vsr.timeline import format_seconds

__all__ = ["FORMAT", "KIND", "make_record"]

FORMAT = 2
"""Version of the record's layout; 1 has another name for ``prediction_residuals``, which nothing reads."""
KIND = "still"
"""What tells it from other records."""


def make_record(
    info: MediaInfo, at: Place, source: Source, options: StillOptions, made: Made, output: dict[str, Any]
) -> dict[str, Any]:
    """The record as plain data, unsealed. ``output`` says what was written (`vsr.stills.write`)."""
    deinterlaced = made.window.is_deinterlaced
    return {
        "format": FORMAT,
        "kind": KIND,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {
            "path": str(info.path.absolute()),
            "size_bytes": info.size_bytes,
            "sha256": None if info.images else file_digest(info.path),
            "container": info.container,
            "video": canonical(info.video),
            "damage": asdict(made.window.damage),
        },
        "request": {
            "at": canonical(at) if not isinstance(at, int) else at,
            "fps": source.fps,
            "video_stream": source.video_stream,
            "input_transfer": source.input_transfer,
            **canonical(options),
            "roi": str(made.region),
            "whole_picture": options.roi is None,
        },
        "method": {
            "name": "still",
            "evidence": "observation-model",
            "generative": False,
            "says": sentence("observation-model"),
            "solver": DEFAULT_SOLVER,
            "solver_options": canonical(made.fused.imaging.options()),
            "motion": made.fused.model,
            "estimator": None if made.found.source is None else estimator_digest(),
            "precision": options.precision,
            "deinterlaced": deinterlaced,
        },
        "reference": _name(info, made, made.window.reference),
        "frames": [_frame(info, made, number) for number in range(len(made.window.frames))],
        "found": _describe_found(made),
        "quality": {
            "reference_lr_psnr_db": _round(made.quality.frames_db[made.fused.reference]),
            "lr_psnr_db": _round(made.quality.lr_psnr_db),
            "residual_rms": _round(made.quality.residual_rms),
            "residual_over_noise": _round(made.quality.residual_rms / made.fused.sigma),
        },
        "steps": [
            asdict(step)
            for step in describe_steps(
                options, made.found, made.fused, deinterlaced=deinterlaced, num_frames=len(made.fused.views)
            )
        ],
        "warnings": list(made.warnings),
        "notes": list(made.notes),
        "assumptions": list(info.video.assumptions),
        "output": output,
        "device": device_class("cpu"),
        "versions": software_versions() | {"ffmpeg_program": ffmpeg_version()},
    }


def _round(value: float) -> float | None:
    """To nine digits, which is more than anybody needs; what is not finite is unknown."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _name(info: MediaInfo, made: Made, number: int) -> dict[str, Any]:
    grabbed = made.window.frames[number]
    seconds = seconds_of(info, grabbed.record)
    return {
        "ordinal": grabbed.record.ordinal,
        "pts": grabbed.record.pts,
        "time": format_seconds(seconds),
        "md5": grabbed.md5,
    }


def _frame(info: MediaInfo, made: Made, number: int) -> dict[str, Any]:
    candidate = made.candidates[number]
    entry = {
        **_name(info, made, number),
        "used": candidate.is_used,
        "reason": candidate.reason,
        "sharpness": _round(candidate.sharpness),
        "registration": _registration(candidate.registration, candidate.steps),
    }
    place = next((n for n, view in enumerate(made.fused.views) if view.number == number), None)
    if place is not None:
        view = made.fused.views[place]
        entry["fitted"] = {
            "matrix": [[float(value) for value in row] for row in view.motion],
            "deviation_px": _round(made.fused.deviations_px[place]),
            "noise_sigma": _round(made.fused.sigmas[place]),
            "gain": _round(view.gain),
            "offset": _round(view.offset),
            "weight": _round(view.weight),
            "lr_psnr_db": _round(made.quality.frames_db[place]),
            "residual_over_noise": _round(made.quality.frames_rms[place] / made.fused.sigma),
        }
    return entry


def _registration(found: Registration, steps: int) -> dict[str, Any]:
    return {
        "model": found.model,
        "converged": found.converged,
        "steps": steps,
        "matrix": [[float(value) for value in row] for row in found.matrix],
        "correlation": _round(found.correlation),
        "residual": _round(found.residual),
        "deviation_px": _round(found.deviation_px),
    }


def _describe_found(made: Made) -> dict[str, Any]:
    fused, found = made.fused, made.found
    frames = max(1.0, float(made.support.frames.mean()))
    return {
        "psf_sigma_px": _round(fused.imaging.psf_sigma_px),
        "psf_from": found.psf_from,
        "psf_by_prediction_px": found.psf_by_prediction_px,
        "psf_by_gradients_px": None if found.psf_by_gradients_px is None else _round(found.psf_by_gradients_px),
        "psf_by_looks_px": found.psf_by_looks_px,
        "source_blur_px": None if found.source is None else _round(found.source.blur_px),
        "source_compression_codes": None if found.source is None else _round(found.source.compression_codes),
        "regularization": _round(fused.imaging.regularization),
        "regularization_from": found.strength_from,
        "prediction_residuals": found.tried,
        "noise_sigma": _round(fused.sigma),
        "frames_used": len(fused.views),
        "frames_a_pixel": _round(frames),
        "stands_still": made.still.still,
        "bits_a_pixel": None if made.bits_a_pixel is None else _round(made.bits_a_pixel),
        "supported_scale": _round(supported_scale(fused.imaging.psf_sigma_px, fused.sigma, frames)),
    }
