"""A video that comes through a pipe: read once, from beginning to end, while its other end is still being made.

Its first bytes are looked at as a file, so that what is known of a video is found in one way wherever it comes from.
Then it is decoded once. Who wants frames again, as segments with their context do, gets them from those that are held.
"""

from __future__ import annotations

import hashlib
import io
import select
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.video.stream import VideoStream

from vsr.errors import InputError
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord, decode_once
from vsr.media.filtering import FrameCopier
from vsr.media.probe import MediaInfo, probe_media
from vsr.media.safe_open import check_head, open_input, open_pipe
from vsr.media.streams import StreamInfo, stream_infos

__all__ = ["STANDARD_INPUT", "HeldFrames", "PipedVideo"]

STANDARD_INPUT = Path("standard input")
"""What messages call it."""

_HEAD_SIZES = tuple(1 << bits for bits in (16, 18, 20, 22, 24, 26, 28))
_SMALL_HEAD = 1 << 20  # less will do for YUV4MPEG2; in other containers streams may begin late
_HEAD_FRAMES = 24  # that many are looked at in a file
_LARGE_HEAD = 1 << 26  # here fewer frames will do
_CHECKED_BYTES = 4096
_POLL_SECONDS = 0.2
_BOXES = frozenset((b"ftyp", b"styp", b"wide", b"free", b"skip", b"pnot", b"uuid", b"moov", b"moof", b"sidx", b"mdat"))


class PipedVideo:
    """A video from ``pipe``; its opener closes it. Call `close` to end a reading that waits for more."""

    def __init__(self, pipe: BinaryIO, fps: Fraction | None = None, video_stream: int | None = None) -> None:
        """Reads as much as it takes to know the video; ``fps`` and ``video_stream`` as for `probe_media`.

        Raises what that raises.
        """
        self._source = _Source(pipe)
        found = self._look(fps, video_stream)
        self.left_out = tuple(
            one for one in found.streams if one.index != found.video.index and one.codec != "chapters"
        )
        """Streams besides the video: a pipe's are not kept. A track of chapters is counted with these."""
        self.num_chapters = found.num_chapters
        """Chapters, which are not kept either."""
        self._num_known = len(found.streams)
        self.late: tuple[StreamInfo, ...] = ()
        """Streams that the first bytes did not tell of; they are known when the first frame is."""
        self.num_later = 0
        """Streams that begin later still; known when all is read."""
        self.info = replace(
            found,
            path=STANDARD_INPUT,
            is_piped=True,
            duration=None,
            size_bytes=0,
            streams=tuple(one for one in found.streams if one.index == found.video.index),
            num_chapters=0,
            chapter_ends=(),
            video=replace(found.video, end_pts=None, num_frames_from_header=0),
        )

    def scan(self, threads: int, damage: Damage) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        """Every frame, once; as `vsr.media.reading.scan`."""
        with open_pipe(self._source, STANDARD_INPUT) as container:
            stream = container.streams[self.info.video.index]
            if not isinstance(stream, VideoStream):
                raise InputError(f"{STANDARD_INPUT}: stream {stream.index} is not video any more")
            stream.codec_context.thread_count = threads
            self.late = stream_infos(container, {})[self._num_known :]
            count = 0
            video = self.info.video
            frames = decode_once(
                container,
                stream,
                damage,
                crop=video.crop,
                untimed_rate=video.untimed_rate,
                on_stranger=self._count_late,
            )
            for record, frame in frames:
                count += 1
                yield record, frame
        self._source.drain()
        if not count:
            raise InputError(f"{STANDARD_INPUT}: not a single frame could be decoded")

    def _count_late(self) -> None:
        self.num_later += 1

    def close(self) -> None:
        """End the reading: what waits for the pipe finds its end."""
        self._source.stop.set()

    @property
    def sha256(self) -> str:
        """Of all bytes that were read."""
        return self._source.digest.hexdigest()

    @property
    def size_bytes(self) -> int:
        """Bytes that were read."""
        return self._source.num_bytes

    def _look(self, fps: Fraction | None, video_stream: int | None) -> MediaInfo:
        """What the first bytes tell, from as few as will do. What a whole file's header claims, a pipe does not."""
        with tempfile.NamedTemporaryFile(prefix="vsr-head-") as file:
            for size in _HEAD_SIZES:
                is_whole = self._source.fill(size)
                check_head(self._source.head[:_CHECKED_BYTES], STANDARD_INPUT)
                _refuse_late_index(self._source.head)
                if size < _SMALL_HEAD and not is_whole and not self._is_y4m:
                    continue
                file.seek(0)
                file.write(self._source.head)
                file.flush()
                is_last = is_whole or size == _HEAD_SIZES[-1]
                frames = _count_frames(Path(file.name), is_last)
                if is_last or frames >= self._count_requested(size):
                    break
            return _guess_from_name(Path(file.name), fps, video_stream)

    def _count_requested(self, size: int) -> int:
        """One frame of YUV4MPEG2 is like every other; of other streams the first few may differ."""
        return 1 if self._is_y4m or size >= _LARGE_HEAD else _HEAD_FRAMES

    @property
    def _is_y4m(self) -> bool:
        return self._source.head.startswith(b"YUV4MPEG2")


def _count_frames(path: Path, is_last: bool) -> int:
    """Frames at the beginning of a file that may end anywhere, up to those that count; 0 where it cannot be opened."""
    try:
        with open_input(path) as container:
            frames = 0
            try:
                for _ in container.decode(video=0):
                    frames += 1
                    if frames == _HEAD_FRAMES:
                        break
            except (av.error.FFmpegError, IndexError):
                pass  # the rest of what was cut off is still in the pipe
            return frames
    except InputError as error:
        if is_last:
            raise _without_path(error, path) from error
        return 0


def _guess_from_name(path: Path, fps: Fraction | None, video_stream: int | None) -> MediaInfo:
    try:
        return probe_media(path, fps, video_stream)
    except InputError as error:
        raise _without_path(error, path) from error


def _refuse_late_index(head: bytes) -> None:
    """Refuse MP4 and MOV whose frames come before what tells where they are. Raises `InputError`."""
    place, boxes = 0, []
    while place + 16 <= len(head):
        size, kind = int.from_bytes(head[place : place + 4]), head[place + 4 : place + 8]
        if kind not in _BOXES:
            return
        boxes.append(kind)
        if kind == b"mdat":
            break
        place += int.from_bytes(head[place + 8 : place + 16]) if size == 1 else max(size, 8)
    if b"mdat" in boxes and not {b"moov", b"moof"} & set(boxes):
        raise InputError(
            f"{STANDARD_INPUT}: is an MP4 or MOV whose index comes after its frames, which no pipe can give; name "
            "the file, or pass it on as NUT (ffmpeg -i FILE -map 0:v -c copy -f nut -)"
        )


def _without_path(error: InputError, path: Path) -> InputError:
    message = str(error).replace(str(path), str(STANDARD_INPUT))
    return InputError(f"{message}; pipes carry y4m, nut, mkv, ts and the like")


class _Source:
    """The pipe's bytes from the first one on, some of them read ahead; counted and digested as they pass."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._descriptor = _descriptor_of(pipe)
        self._place = 0
        self.head = b""
        self.stop = threading.Event()
        self.digest = hashlib.sha256()
        self.num_bytes = 0

    def fill(self, size: int) -> bool:
        """Read ahead until ``head`` has ``size`` bytes; whether the pipe ended before."""
        parts = [self.head]
        missing = size - len(self.head)
        while missing > 0:
            data = self._next(missing)
            if not data:
                break
            parts.append(data)
            missing -= len(data)
        self.head = b"".join(parts)
        return missing > 0

    def read(self, size: int, /) -> bytes:
        """See `vsr.media.safe_open.Readable`."""
        data = self.head[self._place : self._place + size]
        self._place += len(data)
        if not data:
            self.head = b""
            data = self._next(size)
        self.digest.update(data)
        self.num_bytes += len(data)
        return data

    def drain(self) -> None:
        """Read what is left, so that it counts, and the writer is not cut short."""
        while self.read(1 << 16):
            pass

    def _next(self, size: int) -> bytes:
        if self._descriptor is not None:
            while not self.stop.is_set():
                if select.select([self._descriptor], [], [], _POLL_SECONDS)[0]:
                    break
        if self.stop.is_set():
            return b""
        read = getattr(self._pipe, "read1", self._pipe.read)
        return bytes(read(size))


def _descriptor_of(pipe: BinaryIO) -> int | None:
    """What can be waited for; None where there is nothing to wait for, or where bytes may be buffered already."""
    try:
        return pipe.fileno() if isinstance(pipe, io.RawIOBase) else None
    except (OSError, ValueError):
        return None


class HeldFrames:
    """Frames of a scan, kept until no longer needed: a `vsr.media.reading.Reader` of a source that is read once.

    The scan waits while much is held, unless the reader waits for the scan.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._frames: dict[int, av.VideoFrame] = {}
        self._bytes = 0
        self._change = threading.Condition()
        self._is_requested = self._is_closed = False
        self._copier = FrameCopier()

    def hold(self, frames: Iterator[tuple[FrameRecord, av.VideoFrame]]) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        """The same frames; a copy of each is held."""
        for record, frame in frames:
            kept = self._copier.copy(frame)
            with self._change:
                self._change.wait_for(lambda: self._bytes < self._most_bytes or self._is_requested or self._is_closed)
                self._frames[record.ordinal] = kept
                self._bytes += _size(kept)
            yield record, frame

    def want_more(self, is_requested: bool) -> None:
        """Whether the reader waits for the scan, which then must not wait for the reader."""
        with self._change:
            self._is_requested = is_requested
            self._change.notify_all()

    def forget_before(self, ordinal: int, spared: Collection[int] = ()) -> None:
        """Drop frames before ``ordinal``, except those in ``spared``."""
        with self._change:
            for old in [number for number in self._frames if number < ordinal and number not in spared]:
                self._bytes -= _size(self._frames.pop(old))
            self._change.notify_all()

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """See `vsr.media.reading.Reader`."""
        for record in records:
            with self._change:
                frame = self._frames[record.ordinal]
            yield frame

    def close(self) -> None:
        """Let go of all frames, and of a scan that waits."""
        with self._change:
            self._is_closed = True
            self._frames.clear()
            self._change.notify_all()


def _size(frame: av.VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)
