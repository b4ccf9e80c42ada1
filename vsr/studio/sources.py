"""An open video: every frame by its number, found by one pass over the file in the background.

The pass is that of a run, with the same cuts and the same judgement of fields, so that frame numbers are those of
``vsr frames`` and ``--at``, and a frame can be restored as a run would. What it has passed can be looked at already.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsr.errors import InputError, UsageError, VsrError
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.display import Frame, displayed, upright
from vsr.media.looks import color_of
from vsr.media.probe import MediaInfo
from vsr.media.reading import Reader, open_reader, probe, scan
from vsr.media.thumbnails import thumbnail
from vsr.pipeline.job import Span
from vsr.pipeline.scan import PlanRules, plan_segments
from vsr.pipeline.settings import Settings
from vsr.studio.places import Root
from vsr.timeline import parse_rate

__all__ = ["Shot", "Sources", "Video"]

_log = logging.getLogger(__name__)

Image = NDArray[np.uint8]

_STEP_FRAMES = 32  # that the pass hands out at a time
_MOST_THUMBNAILS = 48  # half of them are dropped where there would be more
_KEPT_SAMPLES = 48e6  # of luma, in frames kept for stepping back
_OPEN_VIDEOS = 3
_PATIENCE_SECONDS = 0.25


@dataclass(frozen=True)
class Shot:
    """Frames between two cuts, half-open."""

    start: int
    stop: int
    """As far as it is known; its end where ``is_whole``."""
    is_whole: bool


class Video:
    """One video, open. Close it when it is done with."""

    def __init__(self, key: str, info: MediaInfo) -> None:
        self.key, self.info = key, info
        usual = Settings.model_validate({})
        self.cut_threshold, self.decoder_threads = usual.cut_threshold, usual.decoder_threads
        self._known = threading.Condition()
        self._records: list[FrameRecord] = []
        self._starts: list[int] = []
        self._thumbnails: dict[int, Image] = {}
        self._thumbnail_step = 1
        self._error: VsrError | None = None
        self._is_complete = self._is_closed = False
        self._reading = threading.Lock()
        most = int(_KEPT_SAMPLES / (info.video.width * info.video.height))
        self._reader: Reader = open_reader(info, self.decoder_threads, max(2, min(24, most)))
        self._damage = Damage()
        self._thread = threading.Thread(target=self._pass, name=f"index {info.path.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the pass and let go of the file."""
        with self._known:
            self._is_closed = True
            self._known.notify_all()
        self._thread.join()
        with self._reading:
            self._reader.close()

    @property
    def num_known(self) -> int:
        """Frames that the pass has named so far."""
        return len(self._records)

    @property
    def is_complete(self) -> bool:
        """Whether all frames are known."""
        return self._is_complete

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    @property
    def error(self) -> VsrError | None:
        """What ended the pass, if anything did."""
        return self._error

    @property
    def damage(self) -> Damage:
        """What the pass met so far."""
        return self._damage

    @property
    def cuts(self) -> list[int]:
        """First frames of shots, but the first, as far as they are known."""
        with self._known:
            return self._starts[1:]

    @property
    def thumbnails(self) -> list[int]:
        """Frames that `thumbnail_of` has, evenly spaced."""
        with self._known:
            return sorted(self._thumbnails)

    def thumbnail_of(self, ordinal: int) -> Image:
        """The small image nearest to a frame, ``(h, w, 3)`` uint8 RGB, upright. Raises `InputError` for none."""
        with self._known:
            nearest = min(self._thumbnails, key=lambda known: abs(known - ordinal), default=None)
            found = None if nearest is None else self._thumbnails[nearest]
        if found is None:
            raise InputError("there is no small image yet")
        return upright(found, self.info.video.display)

    def seconds(self, ordinal: int) -> Fraction:
        """The time of a frame, from the start of the file. Raises `UsageError` for one that is not known."""
        record = self.record(ordinal)
        return record.pts * self.info.video.time_base - self.info.start

    def at_seconds(self, seconds: Fraction) -> int:
        """The frame that is shown at a time: the last one that is not later. Raises `UsageError` for one not known."""
        ticks = (seconds + self.info.start) / self.info.video.time_base
        count = bisect_right(self._records, ticks, key=lambda record: Fraction(record.pts))
        if not self._records:
            raise UsageError("not a single frame is known yet")
        if count == len(self._records) and not self._is_complete and ticks > self._records[-1].pts:
            raise UsageError("the video is not read up to there yet")
        return self._records[max(0, count - 1)].ordinal

    def record(self, ordinal: int) -> FrameRecord:
        """What is known of a frame. Raises `UsageError` for one that is not known."""
        if not 0 <= ordinal < len(self._records):
            raise UsageError(f"frame {ordinal} is not known; known are 0 to {len(self._records) - 1}")
        return self._records[ordinal]

    def records(self, start: int, stop: int) -> tuple[FrameRecord, ...]:
        """Those of known frames, half-open."""
        return tuple(self._records[start:stop])

    def shot_of(self, ordinal: int) -> Shot:
        """The shot of a known frame."""
        with self._known:
            self.record(ordinal)
            place = bisect_right(self._starts, ordinal)
            is_last = place == len(self._starts)
            stop = len(self._records) if is_last else self._starts[place]
            return Shot(self._starts[place - 1], stop, not is_last or self._is_complete)

    def wait_for(self, num_frames: int, seconds: float = _PATIENCE_SECONDS) -> bool:
        """Wait until so many frames are known or all are; whether that is so now."""
        with self._known:
            return self._known.wait_for(
                lambda: self._is_complete or self._is_closed or len(self._records) >= num_frames, seconds
            )

    def coded_image(self, ordinal: int) -> Image:
        """A known frame as it was decoded, ``(H, W, 3)`` uint8 sRGB, not turned. Raises `InputError`, `UsageError`."""
        record = self.record(ordinal)
        with self._reading:
            if self._is_closed:
                raise InputError(f"{self.info.path.name}: was closed")
            [frame] = self._reader.read([record])
            return displayed(frame, color_of(self.info.video, record.look))

    def image(self, ordinal: int) -> Image:
        """The same, upright."""
        return upright(self.coded_image(ordinal), self.info.video.display)

    def _pass(self) -> None:
        rules = PlanRules(
            segment_frames=_STEP_FRAMES,
            halo_frames=0,
            chain_frames=1,
            calibration_frames=1,
            cut_threshold=self.cut_threshold,
            span=Span(),
            origin=self.info.start,
            time_base=self.info.video.time_base,
        )
        try:
            for planned in plan_segments(self._scan(), rules):
                first = planned.calibration[0].ordinal
                with self._known:
                    if not self._starts or self._starts[-1] != first:
                        self._starts.append(first)
                    self._records.extend(planned.core)
                    self._known.notify_all()
        except VsrError as error:
            self._error = error
        except Exception as error:  # of a thread, where it would be lost; the page shows it
            _log.exception("reading %s", self.info.path)
            self._error = InputError(f"{self.info.path.name}: cannot be read on ({error})")
        finally:
            with self._known:
                self._is_complete = not self._is_closed
                self._known.notify_all()

    def _scan(self) -> Iterator[tuple[FrameRecord, Frame]]:
        for record, frame in scan(self.info, self.decoder_threads, self._damage):
            if self._is_closed:
                return
            if record.ordinal % self._thumbnail_step == 0:
                small = np.ascontiguousarray(thumbnail(frame)[:, :, ::-1])
                with self._known:
                    self._thumbnails[record.ordinal] = small
                    if len(self._thumbnails) > _MOST_THUMBNAILS:
                        self._thumbnail_step *= 2
                        for ordinal in [one for one in self._thumbnails if one % self._thumbnail_step]:
                            del self._thumbnails[ordinal]
            yield record, frame


class Sources:
    """The latest videos that were opened; the oldest is closed where there are too many."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._open: OrderedDict[str, Video] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, name: str, fps: str | None = None) -> Video:
        """The video of that name; ``fps`` is the frame rate of images. Raises `UsageError`, `InputError`."""
        self._root.source(name)
        path = self._root.find(name)
        key = _key(path, fps)
        known = self._find(key)
        if known is not None:
            return known
        info = probe(path, None if fps is None else parse_rate(fps))
        with self._lock:
            if key in self._open:  # opened twice at once
                return self._open[key]
            opened = self._open[key] = Video(key, info)
            spare = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - _OPEN_VIDEOS)]
        for video in spare:
            video.close()
        return opened

    def get(self, key: str) -> Video:
        """An open video. Raises `InputError` for one that is not open, or not any more."""
        video = self._find(key)
        if video is None:
            raise InputError("this video is not open any more; open it again")
        return video

    def _find(self, key: str) -> Video | None:
        with self._lock:
            video = self._open.get(key)
            if video is not None:
                self._open.move_to_end(key)
            return video

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            videos, self._open = list(self._open.values()), OrderedDict()
        for video in videos:
            video.close()


def _key(path: Path, fps: str | None) -> str:
    """Of the file as it is now: another one once it has changed."""
    found = path.stat()
    identity = f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ino}\0{fps}"
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
