"""Putting segments together while the later ones are still being made: into a pipe, which is written once.

As `vsr.media.mux`, with what a whole file knows and a pipe does not replaced by what is sure beforehand: decoding times
lag by as many frames as any encoder here reorders, and the last frame lasts as long as the one before.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from vsr.errors import MachineError
from vsr.media.gaps import ClosedGaps
from vsr.media.mux import SegmentFile, packets_of, pipe_options, pipe_stream, pipe_target
from vsr.media.mux_command import MuxJob, cover_options, mux_command, pipe_format

__all__ = ["LiveMux"]

_REORDERED_FRAMES = 2  # what x264 and x265 declare in their headers with B-pyramids, the deepest that they make
_CHUNK_BYTES = 1 << 16
_NO_GAPS = ClosedGaps(np.empty(0, np.int64), np.empty(0, np.int64), ())  # what the pipe cannot hold fails in it

Write = Callable[[bytes], None]


class LiveMux:
    """Joins segments, in order, and gives the bytes of the container to ``write`` in a thread of its own.

    A context manager: leaving it by an error ends ffmpeg; else `close` must have been called.
    """

    def __init__(self, job: MuxJob, write: Write) -> None:
        self._job, self._write = job, write
        self._timeline: list[int] = []  # decoding times of all packets that are known
        self._place = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the rest)
        self._folder = tempfile.TemporaryDirectory(prefix="vsr-")  # of cover images
        self._pump: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None

    def __enter__(self) -> LiveMux:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        if self._output is not None:
            try:
                self._output.close()
            except (av.error.FFmpegError, OSError):
                pass  # ffmpeg has gone; the error that ended it is the one to report
        if self._process is not None:
            self._process.wait()
        if self._pump is not None:
            self._pump.join()
        self._log.close()
        self._folder.cleanup()

    def add(self, segment: SegmentFile) -> None:
        """Write the packets of the next segment. Raises what ``write`` raised, or `MachineError`."""
        pts = segment.packets.pts - round(self._job.shift / self._job.encoder.time_base)
        ordered = sorted(pts.tolist())
        if self._process is None:
            self._start(ordered)
        self._timeline += ordered
        try:
            for packet, time in zip(packets_of(segment), pts.tolist(), strict=True):
                self._send(packet, time)
        except (av.error.FFmpegError, OSError) as error:
            self._raise(error)

    def close(self) -> None:
        """Write the end. Raises what ``write`` raised, or `MachineError`."""
        if self._output is None or self._process is None or self._pump is None:
            return
        try:
            output, self._output = self._output, None
            output.close()
            assert self._process.stdin is not None
            self._process.stdin.close()
        except (av.error.FFmpegError, OSError) as error:
            self._raise(error)
        self._pump.join()
        if self._process.wait() != 0 or self._failure is not None:
            self._raise(None)

    def _start(self, ordered: list[int]) -> None:
        delay = _REORDERED_FRAMES if self._job.encoder.codec.name in ("h264", "hevc") else 0
        step = ordered[1] - ordered[0] if len(ordered) > 1 else self._job.last_duration
        self._timeline = [ordered[0] - step * number for number in range(delay, 0, -1)]
        self._first = self._timeline[0] if delay else ordered[0]
        self._process = subprocess.Popen(
            mux_command(
                self._job,
                "pipe:1",
                self._first,
                _NO_GAPS,
                last_shown=None,
                scale=self._job.encoder.time_base.denominator,
                options=cover_options(self._job, Path(self._folder.name), 1),
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._pump = threading.Thread(target=self._pass_on, args=(self._process.stdout,), name="mux", daemon=True)
        self._pump.start()
        pipe = self._process.stdin
        assert pipe is not None
        self._output = av.open(
            pipe_target(pipe, self._job), "w", format=pipe_format(self._job), options=pipe_options(self._job)
        )

    def _send(self, packet: av.Packet[VideoStream], time: int) -> None:
        assert self._output is not None
        if self._stream is None:
            self._stream = pipe_stream(self._output, packet.stream, self._job)
        dts = self._timeline[self._place]
        if dts > time:
            raise MachineError(f"the encoder reorders by more than {_REORDERED_FRAMES} frames; name a file instead")
        is_last = self._place + 1 == len(self._timeline)
        length = self._job.last_duration if is_last else self._timeline[self._place + 1] - dts
        packet.pts, packet.dts, packet.duration = time - self._first, dts - self._first, length
        packet.time_base = self._job.encoder.time_base
        packet.stream = self._stream
        self._output.mux(packet)
        self._place += 1

    def _pass_on(self, made: BinaryIO) -> None:
        try:
            while data := made.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
                self._write(data)
        except BaseException as error:  # raised where the next segment is added
            self._failure = error
            assert self._process is not None
            self._process.kill()

    def _raise(self, error: Exception | None) -> None:
        assert self._process is not None
        assert self._pump is not None
        self._process.kill()
        self._process.wait()
        self._pump.join()
        if self._failure is not None:
            raise self._failure
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        raise MachineError(f"the output could not be put together: {lines[-1] if lines else error}") from error
