"""VMAF (Netflix), by the libvmaf that the bundled ffmpeg program carries.

Pairs of frames are piped to it as they are paired here, so that no clock and no frame rate takes part. Two models are
run: ``vmaf_v0.6.1``, and its variant for enhanced images (NEG: no gain for enhancement), which gives no credit for
sharpening and contrast that the ground truth does not have.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vsr.errors import MachineError
from vsr.media.ffmpeg import ffmpeg_path, run_ffmpeg

__all__ = ["VmafRun", "VmafScore", "has_vmaf"]

_MODELS = (("vmaf", "vmaf_v0.6.1"), ("vmaf_neg", "vmaf_v0.6.1neg"))
_DEPTHS = {8: "yuv420p", 10: "yuv420p10le"}
_SMALLEST = 16
_QUEUE_FRAMES = 4
_LOG = "vmaf.json"


@dataclass(frozen=True)
class VmafScore:
    """VMAF of one frame, 0…100."""

    vmaf: float
    vmaf_neg: float


def has_vmaf() -> bool:
    """Whether the bundled ffmpeg program has libvmaf."""
    return " libvmaf " in run_ffmpeg(["-filters"]).stdout


class VmafRun:
    """Takes pairs of luma planes; gives their scores at the end. A context manager: leaving it ends the program."""

    def __init__(self, width: int, height: int, bit_depth: int, *, threads: int) -> None:
        """For planes ``(height, width)`` of codes of ``bit_depth`` bits. Raises `MachineError` without libvmaf."""
        if not has_vmaf():
            raise MachineError(
                "this ffmpeg has no libvmaf: leave --vmaf out, or let IMAGEIO_FFMPEG_EXE name one with it"
            )
        if min(width, height) < _SMALLEST:
            raise MachineError(f"VMAF needs images of at least {_SMALLEST}x{_SMALLEST}, got {width}x{height}")
        self._depth = 8 if bit_depth == 8 else 10
        self._scale = 2.0 ** (self._depth - bit_depth)
        chroma = (-(-height // 2)) * (-(-width // 2)) * 2
        self._chroma = np.full(chroma, 1 << (self._depth - 1), self._dtype).tobytes()
        self._said: str | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="vsr-vmaf-")
        ends = [os.pipe(), os.pipe()]
        self._program = self._start([reading for reading, _ in ends], width, height, threads)
        for reading, _ in ends:
            os.close(reading)
        self._feeds = [_Feed(os.fdopen(writing, "wb", buffering=0)) for _, writing in ends]

    def __enter__(self) -> VmafRun:
        return self

    def __exit__(self, *_: object) -> None:
        for feed in self._feeds:
            feed.abandon()
        self._program.kill()
        self._complaint()
        for feed in self._feeds:
            feed.join()
        self._folder.cleanup()

    @property
    def _dtype(self) -> type[np.generic]:
        return np.uint8 if self._depth == 8 else np.uint16

    def _start(self, inputs: Sequence[int], width: int, height: int, threads: int) -> subprocess.Popen[bytes]:
        models = "|".join(f"version={version}\\\\:name={name}" for name, version in _MODELS)
        graph = f"[0:v][1:v]libvmaf=log_fmt=json:log_path={_LOG}:n_threads={threads}:model={models}"
        command = [ffmpeg_path(), "-hide_banner", "-v", "error", "-nostdin"]
        for end in inputs:
            command += ["-f", "rawvideo", "-pix_fmt", _DEPTHS[self._depth], "-s", f"{width}x{height}"]
            command += ["-r", "25", "-i", f"pipe:{end}"]
        command += ["-lavfi", graph, "-f", "null", "-"]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=tuple(inputs),
            cwd=self._folder.name,
        )

    def push(self, test: NDArray[Any], reference: NDArray[Any]) -> None:
        """One more pair. Raises `MachineError` if the program has ended."""
        for feed, plane in zip(self._feeds, (test, reference), strict=True):
            if not feed.put(self._pack(plane)):
                raise MachineError(f"libvmaf ended early: {self._complaint()}")

    def _pack(self, plane: NDArray[Any]) -> bytes:
        if self._scale != 1 or plane.dtype.kind == "f":
            plane = np.clip(np.rint(plane * self._scale), 0, (1 << self._depth) - 1)
        return plane.astype(self._dtype, copy=False).tobytes() + self._chroma

    def _complaint(self) -> str:
        """Wait for the program's end; what it said first."""
        if self._said is None:
            _, text = self._program.communicate()
            lines = text.decode(errors="replace").splitlines()
            self._said = next((line.strip() for line in lines if line.strip()), f"exit code {self._program.returncode}")
        return self._said

    def finish(self) -> list[VmafScore]:
        """Scores of all pairs, in order. Raises `MachineError` where libvmaf fails."""
        for feed in self._feeds:
            feed.end()
        complaint = self._complaint()
        for feed in self._feeds:
            feed.join()
        if self._program.returncode:
            raise MachineError(f"libvmaf failed: {complaint}")
        report = json.loads((Path(self._folder.name) / _LOG).read_text(encoding="utf-8"))
        return [VmafScore(*(frame["metrics"][name] for name, _ in _MODELS)) for frame in report["frames"]]


class _Feed:
    """Writes what it is given to a pipe, in a thread of its own."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=_QUEUE_FRAMES)
        self._broken = threading.Event()
        self._thread = threading.Thread(target=self._work, name="vmaf", daemon=True)
        self._thread.start()

    def put(self, data: bytes | None) -> bool:
        """Whether ``data`` was taken; False once the other end is gone."""
        while not self._broken.is_set():
            try:
                self._queue.put(data, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def end(self) -> None:
        """Nothing more comes."""
        self.put(None)

    def abandon(self) -> None:
        """Stop, whatever is left."""
        self._broken.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def join(self) -> None:
        """Wait for the thread."""
        self._thread.join()

    def _work(self) -> None:
        try:
            while (data := self._queue.get()) is not None and not self._broken.is_set():
                rest = memoryview(data)
                while rest:
                    rest = rest[self._pipe.write(rest) :]
        except OSError:
            pass  # the other end is gone; `push` says so
        finally:
            self._broken.set()
            with contextlib.suppress(OSError):
                self._pipe.close()
