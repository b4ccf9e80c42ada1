"""The files of a still: the image, two maps and the record, all or none."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vsr.errors import MachineError, UsageError
from vsr.frames import ColorSpec
from vsr.media.codecs import find_codec
from vsr.media.convert import OutputFormat, quantise
from vsr.media.encode import EncoderSpec, encode_image
from vsr.media.icc import keep_profile
from vsr.media.image_text import ImageText, with_text
from vsr.media.layouts import LAYOUTS
from vsr.media.probe import MediaInfo
from vsr.pipeline.provenance import image_text
from vsr.pipeline.publishing import publish, refuse_special
from vsr.pipeline.seal import record_pieces
from vsr.pipeline.sidecar import canonical
from vsr.stills.make import Made

__all__ = ["MAPS", "StillFiles", "check_target", "encode_still", "map_path", "record_path", "write_all"]

_CODECS = {".png": "png", ".tif": "tiff", ".tiff": "tiff"}
MAPS = _SUPPORT, _CONFIDENCE = "support", "confidence"
_MAP_COLOR = ColorSpec(primaries=1, transfer=13, matrix=1, full_range=True)
_MAP_PEAK = 255


@dataclass(frozen=True)
class StillFiles:
    """What is written, by name, and what the record says of it."""

    files: Mapping[str, bytes]
    planes: Mapping[str, tuple[NDArray[np.generic], ...]]
    """Their samples."""
    output: Mapping[str, Any]


def record_path(output: Path) -> Path:
    """Where the record of ``output`` is."""
    return output.with_name(f"{output.name}.vsr.json")


def map_path(output: Path, what: str) -> Path:
    """Where a map of ``output`` is, one of `MAPS`."""
    return output.with_name(_map_name(output, what))


def _map_name(output: Path, what: str) -> str:
    return f"{output.stem}.{what}.png"


def _places(output: Path) -> list[Path]:
    """All files of a still."""
    names = [output.name, _map_name(output, _SUPPORT), _map_name(output, _CONFIDENCE), record_path(output).name]
    return [output.with_name(name) for name in names]


def check_target(output: Path, overwrite: bool) -> None:
    """Refuse what cannot be written, before any work. Raises `UsageError` or `MachineError`."""
    if output.suffix.lower() not in _CODECS:
        raise UsageError(
            f"{output}: a still is written as {', '.join(_CODECS)}; got {output.suffix or 'no extension'!r}"
        )
    if not output.parent.is_dir():
        raise MachineError(f"output folder {output.parent} does not exist; make it first")
    if not os.access(output.parent, os.W_OK):
        raise MachineError(f"output folder {output.parent} is not writable")
    for place in _places(output):
        try:
            place.exists()
        except OSError as error:
            raise UsageError(f"{place.name[:40]}…: cannot be a name ({error.strerror or error}); shorten it") from error
        if place.is_dir():
            raise UsageError(f"{place} is a folder; name a file")
        refuse_special(place)
        if place.exists() and not overwrite:
            raise UsageError(f"{place} exists; give --overwrite to replace it")


def encode_still(info: MediaInfo, made: Made, output: Path) -> StillFiles:
    """The image and its maps as files named after ``output``, and the record's ``output`` entry."""
    layout = LAYOUTS["gray16le" if made.image.layout.family == "gray" else "gbrp16le"]
    source = info.video.color
    matrix = source.matrix if layout.family == "gray" else 0
    color = ColorSpec(source.primaries, source.transfer, matrix, full_range=True)
    spec = _spec(output.suffix, layout.name, color, made, info.video.sample_aspect_ratio)
    text = image_text("still", "observation-model", info.metadata)
    image = quantise(made.image, OutputFormat(layout, color))
    most = len(made.fused.views)
    maps = {
        _SUPPORT: (made.support.frames * (_MAP_PEAK / most), f"{_MAP_PEAK} is {most} frames"),
        _CONFIDENCE: (made.support.agreement * _MAP_PEAK, f"{_MAP_PEAK} is full agreement of the frames in view"),
    }
    planes: dict[str, tuple[NDArray[np.generic], ...]] = {output.name: image}
    profile = keep_profile(info.video.icc, spec.codec.name, layout.family)
    files = {output.name: with_text(encode_image(image, spec), replace(text, profile=profile))}
    map_spec = _spec(".png", "gray", _MAP_COLOR, made, info.video.sample_aspect_ratio)
    for what, (values, meaning) in maps.items():
        name = _map_name(output, what)
        planes[name] = (_eight_bits(values),)
        words = ImageText(text.software, f"{what} of {output.name}: {meaning}. {text.comment}")
        files[name] = with_text(encode_image(planes[name], map_spec), words)
    entry = {
        "path": str(output),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "samples": {name: _digest(samples) for name, samples in planes.items()},
        "maps": {what: meaning for what, (_, meaning) in maps.items()},
        "width": spec.width,
        "height": spec.height,
        "layout": layout.name,
        "color": {"primaries": color.primaries, "transfer": color.transfer, "matrix": matrix, "full_range": True},
        "icc_profile": None if info.video.icc is None else canonical(info.video.icc) | {"kept": profile is not None},
        "converted": _conversion(made, layout.name, source.matrix),
    }
    return StillFiles(files, planes, entry)


def _conversion(made: Made, target: str, matrix: int) -> str:
    source = made.image.layout
    by = f" with matrix {matrix} of the source" if source.family == "yuv" else ""
    return f"from {source.name} to {target}{by}, full range"


def _spec(suffix: str, layout: str, color: ColorSpec, made: Made, aspect: Fraction) -> EncoderSpec:
    codec = find_codec(_CODECS[suffix.lower()])
    return EncoderSpec(
        codec=codec,
        layout=LAYOUTS[layout],
        color=color,
        width=made.image.width,
        height=made.image.height,
        time_base=Fraction(1, 25),
        frame_rate=Fraction(25),
        sample_aspect_ratio=aspect,
        quality=None,
        speed="",
        threads=1,
    )


def _eight_bits(values: Tensor) -> NDArray[np.generic]:
    return values.round().clamp(0, _MAP_PEAK).numpy().astype(np.uint8)


def _digest(planes: tuple[NDArray[np.generic], ...]) -> str:
    """SHA-256 of the samples, plane by plane in the order R, G, B, rows without padding, little-endian."""
    digest = hashlib.sha256()
    for plane in planes:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def write_all(output: Path, files: Mapping[str, bytes], record: Mapping[str, Any], *, overwrite: bool) -> None:
    """Write ``files`` beside ``output`` and then the record; each gets its name once all are on the disk.

    Raises `MachineError`, and `UsageError` where a name was taken while the still was made and ``overwrite`` is false;
    then no name holds anything new.
    """
    contents = {**files, record_path(output).name: "".join(record_pieces(record)).encode()}
    temporary = {name: output.with_name(f".{uuid.uuid4().hex}.tmp") for name in contents}
    try:
        for name, data in contents.items():
            with temporary[name].open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if not overwrite:
            _refuse_taken(output)
        for name, path in temporary.items():
            _give_name(path, output.with_name(name), overwrite)
    except OSError as error:
        raise MachineError(
            f"cannot write {output}: {error.strerror or error}; free some space and run again"
        ) from error
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _refuse_taken(output: Path) -> None:
    for place in _places(output):
        if place.exists():
            raise UsageError(
                f"{place} has come to be while the still was made; give --overwrite to replace it, or move it away"
            )


def _give_name(path: Path, place: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(path, place)
    else:
        publish(path, place, replace=False)  # never over what came a moment ago
