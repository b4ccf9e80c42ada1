"""What several functions take, as users write it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from vsr.errors import UsageError
from vsr.media.images import is_image_sequence
from vsr.pipeline.objects import is_url
from vsr.timeline import parse_position, parse_rate

__all__ = ["PathLike", "is_folder", "is_plain_folder", "place_of", "position_of", "rate_of"]

PathLike = str | Path


def place_of(place: PathLike) -> PathLike:
    """A path, or a URL as it is written."""
    return place if is_url(place) else Path(place)


def is_plain_folder(path: PathLike) -> bool:
    """Whether it is a folder of this machine that is not an image sequence."""
    return is_folder(path) and not is_image_sequence(Path(path))


def is_folder(path: PathLike) -> bool:
    """Whether it is a folder of this machine, whatever it holds: an output's may hold previews alone."""
    return not is_url(path) and Path(path).is_dir()


def rate_of(fps: str | Fraction | None) -> Fraction | None:
    """The rate in images a second. Raises `UsageError` for one that is none, or not positive."""
    if fps is None:
        return None
    if isinstance(fps, str):
        return parse_rate(fps)
    if fps <= 0:
        raise UsageError(f"fps must be positive, got {fps}")
    return Fraction(fps)


def position_of(value: str | int | Fraction | None) -> int | Fraction | None:
    """A frame number, or a time in seconds."""
    return parse_position(value) if isinstance(value, str) else value
