"""The bundled ffmpeg program: where a stream-copy mux or a log line is its job."""

from __future__ import annotations

import functools
import re
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from vsr.errors import Interrupted, MachineError

__all__ = ["ffmpeg_path", "ffmpeg_reason", "ffmpeg_version", "run_ffmpeg"]

_POLL_SECONDS = 0.2
_REMEDY = "install imageio-ffmpeg again, or correct IMAGEIO_FFMPEG_EXE where it is set"


_SPEAKER = re.compile(r"^\[([^\]]*)\] ")
_FOLLOWS = re.compile(r"^(\[([avsd]ost|out|mux)#|Conversion failed|Error while|\s*Last message repeated)")


def ffmpeg_reason(lines: Sequence[str]) -> str:
    """The reason in what ffmpeg said of a failed copy: the words of who met it, before all who failed because of it.

    Empty where it is mute.
    """
    said = [line for line in lines if line.strip()]
    follows = next((place for place, line in enumerate(said) if _FOLLOWS.match(line)), len(said))
    named = said[max(follows - 1, 0)] if said else ""
    return _SPEAKER.sub("", named).strip()


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


def run_ffmpeg(
    arguments: Sequence[str], timeout: float | None = None, stop: threading.Event | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ffmpeg without a shell and without standard input; the result holds text output and exit status.

    Raises `MachineError` where it cannot be started, `Interrupted` soon after ``stop`` is set.
    """
    command = [ffmpeg_path(), "-hide_banner", "-nostdin", *arguments]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    try:
        process = subprocess.Popen(command, text=True, errors="replace", **pipes)
    except OSError as error:
        raise MachineError(f"{ffmpeg_path()} cannot be started ({error.strerror or error}); {_REMEDY}") from error
    with process:
        try:
            out, err = process.communicate(timeout=timeout) if stop is None else _until(process, stop)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _until(process: subprocess.Popen[str], stop: threading.Event) -> tuple[str, str]:
    while not stop.is_set():
        try:
            return process.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    raise Interrupted("ffmpeg was stopped")
