"""Files from phones, cameras, broadcasters and other projects' test suites, restored whole and compared by plain PyAV.

They are not part of the repository: put them into a folder that ``VSR_TEST_VIDEOS`` names.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from plain_reader import read_plain

import vsr
from vsr.timeline import rescale

_LARGE = 20_000_000  # luma samples in the whole file; larger ones are made smaller, what is compared here is the same


def _folder() -> Path:
    named = os.environ.get("VSR_TEST_VIDEOS")
    return Path(named) if named else Path(__file__).parents[3] / "shared" / "data" / "video"


def _files() -> list[Any]:
    folder = _folder()
    found = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    if not found:
        why = f"no real videos: {folder} is missing or empty; set VSR_TEST_VIDEOS"
        return [pytest.param(Path("none"), marks=pytest.mark.skip(reason=why))]
    return [pytest.param(path, id=path.name) for path in found]


def _decoded(path: Path, index: int) -> list[tuple[int | None, Fraction]]:
    """Times of all frames that any decoder gets, damage passed over."""
    times = []
    with av.open(f"file:{path}") as container:
        stream = container.streams[index]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                times += [(frame.pts, frame.time_base) for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return times


def _is_video(path: Path) -> bool:
    """What an independent reader says."""
    try:
        with av.open(f"file:{path}") as container:
            return any(_decoded(path, stream.index) for stream in container.streams.video[:1])
    except av.error.FFmpegError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("path", _files())
def test_a_real_file(path: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"method": "lanczos", "deinterlace": "off", "drop_streams": True}
    if not _is_video(path):
        with pytest.raises(vsr.InputError, match=r"not a video|no image|no video|could be decoded"):
            vsr.upscale(path, f"{tmp_path}/", settings=settings)
        assert not list(tmp_path.iterdir())
        return
    info = vsr.probe(path)
    video = info.video
    times = _decoded(path, video.index)
    small = len(times) * video.width * video.height < _LARGE
    settings |= {"scale": 2 if small else 0.25}
    if not video.layout.has_alpha and video.layout.bit_depth <= 12:
        settings["speed"] = "ultrafast"
    [outcome] = vsr.upscale(path, f"{tmp_path}/", settings=settings)
    manifest, output = outcome.manifest, outcome.output
    assert manifest is not None
    before, after = read_plain(path), read_plain(output)

    # every frame, at its time
    assert len(after.video.pts) == len(times) == manifest["times"]["num_frames"]
    if not manifest["damage"]["repaired_times"] and not manifest["damage"]["timelines"]:
        tick = after.video.time_base
        shift = Fraction(manifest["times"]["shift_seconds"]) - Fraction(manifest["times"]["container_shift_seconds"])
        expected = [rescale(pts - round(shift / base), base, tick) for pts, base in times if pts is not None]
        loose = 1 if output.suffix == ".mkv" and shift else 0  # two roundings there: of the time and of the shift
        assert all(abs(a - b) <= loose for a, b in zip(sorted(after.video.pts), expected, strict=True))

    # what the image means
    result = vsr.probe(output).video
    for tag in ("primaries", "transfer", "matrix", "full_range"):
        if result.layout.family == video.layout.family:
            assert getattr(result.color, tag) == getattr(video.color, tag), tag
    assert result.layout.bit_depth >= video.layout.bit_depth
    assert result.display == video.display
    if video.mastering is None or video.mastering.max_luminance >= 5:  # H.264 and HEVC allow no darker display
        assert (result.mastering is None) == (video.mastering is None)
    assert result.content_light == video.content_light
    shape_before = video.sample_aspect_ratio * video.width / video.height
    shape_after = result.sample_aspect_ratio * result.width / result.height
    assert abs(shape_after / shape_before - 1) < Fraction(3, min(result.width, result.height))

    # the other streams, packet for packet
    copied = manifest["output"]["copied_streams"]
    dropped = len(info.streams) - 1 - len(copied)
    assert len(manifest["output"]["dropped"]) >= dropped
    for index, got in zip(copied, after.streams[1:], strict=False):
        given = before.streams[index]
        assert got.payloads == given.payloads, f"stream {index} ({given.kind})"
        assert got.tags.get("language", "und") == given.tags.get("language", "und")
    assert after.chapters == before.chapters
    assert all(check.passed for check in vsr.verify(output))
