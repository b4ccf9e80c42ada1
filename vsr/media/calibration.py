"""Reads the calibration of a lens from a YAML file, as OpenCV's programs and ROS write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vsr.errors import UsageError
from vsr.observation.lens import Lens

__all__ = ["read_calibration"]

_MATRICES = ("camera_matrix", "Camera_Matrix", "cameraMatrix", "K")
_COEFFICIENTS = ("distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "D")
_WIDTHS, _HEIGHTS = ("image_width", "image_Width"), ("image_height", "image_Height")
_FISHEYE_MODELS = ("equidistant", "fisheye")
_MOST_BYTES = 1_000_000  # views of the board make files long, but not this long
_MOST_SIDE_PX = 1_000_000
_MOST_CHARS = 200  # of a reason, which may quote the file


class _Loader(yaml.SafeLoader):
    """Reads OpenCV's matrices as plain mappings, and makes no objects."""


def _matrix(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


for _kind in ("opencv-matrix", "opencv-nd-matrix"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _matrix)


def read_calibration(path: Path) -> Lens:
    """The lens that the file ``path`` describes. Raises `UsageError` where there is none, or it says no such thing.

    Read are camera matrix and distortion coefficients under the names that OpenCV's samples and ROS use, the size of
    the images, and whether it is a fisheye (``fisheye_model: 1``, or ``distortion_model: equidistant``).
    """
    try:
        with path.open("rb") as file:
            held = file.read(_MOST_BYTES + 1)
        if len(held) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        text = held.decode()
    except (OSError, ValueError) as error:
        raise UsageError(f"calibration {path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    try:
        said = yaml.load(text.removeprefix("%YAML:1.0").lstrip(), Loader=_Loader)  # OpenCV's line is not YAML
        if not isinstance(said, Mapping):
            raise ValueError("it holds no names and values")
        return _lens(said)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        is_deep = isinstance(error, RecursionError)
        reason = "it is nested too deeply" if is_deep else str(error).partition("\n")[0][:_MOST_CHARS]
        raise UsageError(f"calibration {path}: not a camera's as OpenCV writes it ({reason})") from error


def _lens(said: Mapping[str, Any]) -> Lens:
    matrix = _numbers(said, _MATRICES)
    if len(matrix) != 9:
        raise ValueError(f"the camera matrix has {len(matrix)} numbers, not 9")
    coefficients = _numbers(said, _COEFFICIENTS)
    while len(coefficients) > 12 and coefficients[-1] == 0:
        coefficients = coefficients[:-1]
    if len(coefficients) > 12:
        raise ValueError("a tilted sensor, which is not corrected")
    is_fisheye = said.get("distortion_model") in _FISHEYE_MODELS or bool(said.get("fisheye_model"))
    width, height = _first(said, _WIDTHS), _first(said, _HEIGHTS)
    size = None if width is None or height is None else (_side(width), _side(height))
    return Lens((matrix[0], matrix[4]), (matrix[2], matrix[5]), tuple(coefficients), is_fisheye, size)


def _side(value: Any) -> int:
    side = int(value)
    if not 1 <= side <= _MOST_SIDE_PX:
        raise ValueError(f"sides of images are 1 to {_MOST_SIDE_PX} pixels")
    return side


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((said[name] for name in names if name in said), None)


def _numbers(said: Mapping[str, Any], names: tuple[str, ...]) -> list[float]:
    """The numbers of a matrix, row by row, given as OpenCV and ROS do or as a list."""
    found = _first(said, names)
    if found is None:
        raise ValueError(f"no {names[0]}")
    values = found["data"] if isinstance(found, Mapping) else found
    flat = [number for row in values for number in (row if isinstance(row, list) else [row])]
    return [float(number) for number in flat]
