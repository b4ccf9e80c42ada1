"""Settings as the words of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["upscale_words"]

_OPTIONS = (
    *("scale", "size", "height", "to", "method", "codec", "crf", "speed", "pix_fmt", "deinterlace", "fps"),
    *("input_transfer", "video_stream", "device", "seed", "samples", "temperature"),
)
_FLAGS = ("consistent", "evidence", "lossless", "drop_streams", "keep_data", "strict", "split")


def upscale_words(path: Path, output: Path, preset: str, settings: Mapping[str, Any]) -> list[str]:
    """What stands behind ``vsr`` to make ``output`` of ``path`` with these settings, those that are None left out."""
    words = ["upscale", str(path), "-o", str(output)]
    if preset != "default":
        words += ["--preset", preset]
    for key, value in settings.items():
        if value is not None:
            words += _option(key, value)
    return words


def _option(key: str, value: Any) -> list[str]:
    name = f"--{key.replace('_', '-')}"
    if key in _OPTIONS:
        return [name, f"{value:g}" if isinstance(value, float) else str(value)]
    if key in _FLAGS and value is True:
        return [name]
    if key == "passes":
        return [word for one in value for word in ("--pass", str(one))]
    said = str(value).lower() if isinstance(value, bool) else str(value)
    return ["--set", f"{key}={said}"]
