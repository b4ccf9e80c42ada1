"""The file beside an output with the packets that no container could hold, where the user asked for them."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

from vsr.media.kept import write_kept
from vsr.pipeline.job import Job
from vsr.pipeline.sidecar import file_digest
from vsr.pipeline.streams import kept_path

__all__ = ["keep_packets"]


def keep_packets(job: Job, *, shift: Fraction, trim: tuple[Fraction, Fraction] | None) -> dict[str, Any] | None:
    """Write ``OUTPUT.data.zip`` for a finished output; returns what the manifest says of it, None where there is none.

    One that another run left under that name belongs to no output any more and goes. `OSError`.
    """
    path = kept_path(job.output)
    if not job.kept:
        path.unlink(missing_ok=True)
        return None
    partial = path.with_name(f".{path.name}.vsr-partial")
    source = job.info.streams_path or job.info.path
    try:
        write_kept(source, job.kept, partial, shift=shift, trim=trim, deep=job.info.deep)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return {"file": path.name, "sha256": file_digest(path), "streams": [stream.index for stream in job.kept]}
