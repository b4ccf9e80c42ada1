"""The bundled ffmpeg program: where a stream-copy mux or a log line is its job."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence

from vsr.errors import MachineError

__all__ = ["ffmpeg_path", "ffmpeg_version", "run_ffmpeg"]

_REMEDY = "install imageio-ffmpeg again, or correct IMAGEIO_FFMPEG_EXE where it is set"


@functools.cache
def ffmpeg_path() -> str:
    """Path of the ffmpeg program that imageio-ffmpeg ships."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MachineError(f"no ffmpeg program: {error}; {_REMEDY}") from error


@functools.cache
def ffmpeg_version() -> str:
    """First line of ``ffmpeg -version`` without the copyright. Raises `MachineError` where it is no ffmpeg."""
    done = run_ffmpeg(["-version"])
    if not done.stdout.startswith("ffmpeg version "):
        raise MachineError(f"{ffmpeg_path()} does not work: it {_ending(done)}; {_REMEDY}")
    return done.stdout.splitlines()[0].split(" Copyright")[0]


def _ending(done: subprocess.CompletedProcess[str]) -> str:
    said = done.stderr.strip().splitlines()
    return f"ends with {done.returncode}" + (f" and says {said[-1]!r}" if said else " and tells no version")


def run_ffmpeg(arguments: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg without a shell and without standard input; the result holds text output and exit status.

    Raises `MachineError` where it cannot be started.
    """
    try:
        return subprocess.run(
            [ffmpeg_path(), "-hide_banner", "-nostdin", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise MachineError(f"{ffmpeg_path()} cannot be started ({error.strerror or error}); {_REMEDY}") from error
