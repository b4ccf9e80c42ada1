"""One still from the file to its files, and its record made again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import UsageError, VerificationError
from vsr.media.probe import MediaInfo
from vsr.pipeline.seal import seal
from vsr.stills.boxes import Box
from vsr.stills.make import Made, OnStep, make_still
from vsr.stills.options import Source, StillOptions
from vsr.stills.record import make_record
from vsr.stills.window import Place
from vsr.stills.write import StillFiles, check_target, encode_still, write_all

__all__ = ["Still", "options_of", "remake", "run_still"]


@dataclass(frozen=True)
class Still:
    """A still that was made."""

    output: Path
    record: Mapping[str, Any]
    """What ``OUTPUT.vsr.json`` says."""


def run_still(
    source: Source, output: Path, at: Place, options: StillOptions, *, overwrite: bool, on_step: OnStep
) -> Still:
    """Make the still of ``source`` at ``at`` and write it with its maps and its record."""
    began = time.monotonic()
    check_target(output, overwrite)
    info = source.probe()
    if output.exists() and info.path.exists() and output.samefile(info.path):
        raise UsageError(f"output {output} is the input; name another file")
    if info.images and output.parent.resolve() == info.images[0].parent.resolve():
        raise UsageError(f"output {output} would be one of the input's images; name another folder")
    made, files = _make(info, output, at, options, on_step)
    on_step("writing", None)
    record = make_record(info, at, source, options, made, dict(files.output))
    record["seconds"] = round(time.monotonic() - began, 3)
    seal(record)
    write_all(output, files.files, record, overwrite=overwrite)
    return Still(output, record)


def remake(record: Mapping[str, Any], path: Path, output: Path, on_step: OnStep) -> StillFiles:
    """The files of a still made again from ``path``, as its ``record`` says; nothing is written.

    Raises `VerificationError` where the record does not say enough.
    """
    try:
        request = record["request"]
        at: Place = request["at"] if isinstance(request["at"], int) else Fraction(request["at"])
        options = options_of(request)
        source = Source(path, request["fps"], request.get("video_stream"), request.get("input_transfer"))
    except (KeyError, TypeError, ValueError, ZeroDivisionError, UsageError) as error:
        raise VerificationError(f"{output}: its record does not say how it was made ({error})") from error
    return _make(source.probe(), output, at, options, on_step)[1]


def options_of(request: Mapping[str, Any]) -> StillOptions:
    """The options that a record's ``request`` holds."""
    names = [name for name in StillOptions.__dataclass_fields__ if name != "roi"]
    options = StillOptions(**{name: request[name] for name in names})
    return options if request["whole_picture"] else replace(options, roi=Box.parse(request["roi"]))


def _make(info: MediaInfo, output: Path, at: Place, options: StillOptions, on_step: OnStep) -> tuple[Made, StillFiles]:
    made = make_still(info, at, options, on_step)
    return made, encode_still(info, made, output)
