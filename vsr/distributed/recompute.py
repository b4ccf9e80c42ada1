"""An upscaled output made again, as its manifest says, and compared."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.distributed.in_process import InProcess
from vsr.errors import Interrupted, MachineError, UsageError, VerificationError, VsrError
from vsr.media.images import is_numbered
from vsr.media.reading import is_there
from vsr.methods import METHODS
from vsr.methods.network.any_scale import NATIVE
from vsr.pipeline.differences import between_videos, describe_elsewhere, meaning
from vsr.pipeline.job import Span
from vsr.pipeline.manifest import load_manifest, unsigned_files
from vsr.pipeline.objects import is_url
from vsr.pipeline.progress import OnProgress
from vsr.pipeline.request import Outcome, Request
from vsr.pipeline.settings import Settings, changed_weights, method_options
from vsr.pipeline.verify import Check

__all__ = ["recompute"]

_WHAT = "made again"


def recompute(output: Path, source: Path | None, on_progress: OnProgress) -> Check:
    """Make ``output`` again in a folder beside it and compare the bytes, and where they differ the decoded frames.

    ``source`` is where its input is now, if not where the manifest says; weights are looked for where they were. On
    another kind of processor, or with other programs, one code value of difference passes and is named.
    """
    manifest = load_manifest(output)
    place = source or _find_place(manifest)
    if isinstance(place, Path) and not is_there(place):
        return Check(_WHAT, False, f"not made: {place} is not here")
    try:
        folder = Path(tempfile.mkdtemp(prefix=".vsr-recompute-", dir=_root(output)))
    except OSError as error:
        raise MachineError(f"cannot write beside {output}: {error.strerror or error}") from error
    try:
        again = folder / "again" / output.name if is_numbered(output) else folder / output.name
        request = _request(manifest, place, again)
        changed = changed_weights(request.settings, manifest["method"])
        if changed is not None:
            return Check(_WHAT, False, f"not made: {changed} holds other weights than those recorded")
        return _compare(output, manifest, again, _make(request, on_progress))
    except (Interrupted, VerificationError):
        raise
    except VsrError as error:
        return Check(_WHAT, False, f"not made: {error}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _root(output: Path) -> Path:
    return output.parent.parent if is_numbered(output) else output.parent


def _find_place(manifest: Mapping[str, Any]) -> str | Path:
    said = str(manifest["input"]["path"])
    return said if is_url(said) else Path(said)


def _request(manifest: Mapping[str, Any], source: str | Path, output: Path) -> Request:
    try:
        settings = Settings.model_validate(manifest["settings"] | {"method": _find_recorded_method(manifest["method"])})
        options = method_options(settings.method, manifest["method"]["options"])
        start, stop = (_position(manifest["span"][name]) for name in ("start", "stop"))
        return Request(source, output, settings, options, Span(start, stop))
    except (KeyError, ValueError, TypeError, UsageError) as error:
        raise VerificationError(f"{output.name}: its manifest does not say how it was made ({error})") from error


def _find_recorded_method(recorded: Mapping[str, Any]) -> str:
    """A row of the table, or weights, whose place is absolute in the record of the network alone."""
    name = str(recorded["name"])
    if name in METHODS:
        return name
    weights = str(recorded["model"]["method"])
    return name if NATIVE.get(name) == weights else weights


def _position(said: int | str | None) -> int | Fraction | None:
    return Fraction(said) if isinstance(said, str) else said


def _make(request: Request, on_progress: OnProgress) -> Mapping[str, Any]:
    outcomes: list[Outcome] = []
    InProcess().run([request], on_progress, outcomes.append)
    [outcome] = outcomes
    if outcome.error is not None:
        raise outcome.error
    if outcome.manifest is None:
        raise VsrError(f"{request.output}: nothing was made, and no reason was given")
    return outcome.manifest


def _compare(output: Path, manifest: Mapping[str, Any], again: Path, made: Mapping[str, Any]) -> Check:
    recorded, found = unsigned_files(manifest), made["output"]["files"]
    if sorted(recorded.values()) == sorted(found.values()):
        return Check(_WHAT, True, f"identical bytes, {len(found)} file(s)")
    difference = between_videos(output, again)
    elsewhere = describe_elsewhere(manifest, made["device"], made["versions"])
    means = meaning(is_rounding=difference.is_rounding, elsewhere=elsewhere)
    return Check(_WHAT, bool(elsewhere) and difference.is_rounding, f"{difference}{elsewhere}{means}")
