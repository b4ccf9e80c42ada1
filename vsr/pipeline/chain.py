"""The chain from the input's frames to the output's: a checksum of each, in files that FFmpeg's users can check.

Beside ``better.mp4`` lie ``better.mp4.input.framemd5``, of every decoded frame of the input, and
``better.mp4.framemd5``, of the output: of its packets, which are read back anyway, or with ``evidence`` of its decoded
frames. The manifest holds the digests of both files, and a digest of itself.
"""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

from vsr.media.damage import Damage
from vsr.media.framemd5 import Checksum, ChecksumFile, Checksums, FrameHasher, hash_frames, packet_checksums
from vsr.media.images import TIMING_FILE, Timing, find_images, is_numbered, is_single_image
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe_output, scan
from vsr.pipeline.beside import find_beside
from vsr.pipeline.job import Job
from vsr.pipeline.sidecar import write_atomically

__all__ = ["DECODED", "PACKETS", "checksum_decoded", "checksum_paths", "output_checksums", "write_checksums"]

DECODED = "decoded frames"
PACKETS = "packets"
"""What the checksums of an output are of: ``ffmpeg -c copy -f framemd5`` for packets; an image file is one."""


def checksum_paths(output: Path) -> tuple[Path, Path]:
    """Where the checksums of the input's and of the output's frames are."""
    return find_beside(output, ".input.framemd5"), find_beside(output, ".framemd5")


def write_checksums(job: Job, source: Checksums) -> dict[str, Any]:
    """Write both files for a finished output made from frames ``source``; returns what the manifest says of them."""
    what = DECODED if job.settings.evidence else PACKETS
    files = (_file_of(job.info, source), output_checksums(job.output, what))
    entry: dict[str, Any] = {}
    for name, path, of, checksums in zip(
        ("input", "output"), checksum_paths(job.output), (DECODED, what), files, strict=True
    ):
        text = "".join(checksums.pieces())
        write_atomically(path, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        entry[name] = {"file": path.name, "sha256": digest, "of": of, "frames": len(checksums.rows)}
    return entry


def output_checksums(output: Path, what: str) -> ChecksumFile:
    """The checksums of an output as it is, of its `PACKETS` or its `DECODED` frames."""
    if what == DECODED:
        return checksum_decoded(probe_output(output), 1)
    is_image = is_numbered(output) or is_single_image(output)
    return _image_checksums(output) if is_image else packet_checksums(output)


def checksum_decoded(info: MediaInfo, threads: int, most: int | None = None) -> ChecksumFile:
    """The checksums of the frames of a decode from the start, the first ``most`` of them. Raises `InputError`."""
    with FrameHasher() as hasher:
        for _ in itertools.islice(hash_frames(scan(info, threads, Damage()), hasher), most):
            pass
        return _file_of(info, hasher.rows())


def _file_of(info: MediaInfo, rows: Checksums) -> ChecksumFile:
    video = info.video
    return ChecksumFile(video.time_base, "rawvideo", video.width, video.height, video.sample_aspect_ratio, rows)


def _image_checksums(output: Path) -> ChecksumFile:
    """Of the files of an image sequence, each a packet, or of one image alone, which has no time."""
    video = probe_output(output).video
    if is_single_image(output):
        paths, tick, aspect = [output], video.time_base, video.sample_aspect_ratio
        times: tuple[int, ...] = (0,)
    else:
        timing = Timing.from_file(output.parent / TIMING_FILE)
        paths, times, tick, aspect = find_images(output), timing.pts, timing.time_base, timing.sample_aspect_ratio
    rows = Checksums()
    for path, pts in zip(paths, times, strict=False):
        data = path.read_bytes()
        rows.append(Checksum(pts, pts, 1, len(data), hashlib.md5(data).digest()))
    return ChecksumFile(tick, video.codec, video.width, video.height, aspect, rows)
