"""The bundled ffmpeg program: where a stream-copy mux or a log line is its job."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence

from vsr.errors import MachineError

__all__ = ["ffmpeg_path", "ffmpeg_version", "run_ffmpeg"]


@functools.cache
def ffmpeg_path() -> str:
    """Path of the ffmpeg program that imageio-ffmpeg ships."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MachineError(f"no ffmpeg program: {error}; reinstall imageio-ffmpeg") from error


@functools.cache
def ffmpeg_version() -> str:
    """First line of ``ffmpeg -version`` without the copyright."""
    return run_ffmpeg(["-version"]).stdout.splitlines()[0].split(" Copyright")[0]


def run_ffmpeg(arguments: Sequence[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg without a shell and without standard input; the result holds text output and exit status."""
    return subprocess.run(
        [ffmpeg_path(), "-hide_banner", "-nostdin", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
