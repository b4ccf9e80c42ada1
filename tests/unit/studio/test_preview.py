"""A preview has the samples of the run: they are compared with what the run wrote, read back by PyAV alone."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from videos import CLIPS, X264, encode, scene

import vsr
from vsr import api
from vsr.errors import InputError, UsageError
from vsr.media.display import Box
from vsr.media.planes import planes_of
from vsr.studio.places import Root
from vsr.studio.preview import Previewer, plan_frame
from vsr.studio.sources import Sources, Video

FRAMES, CUT = 36, 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("preview")
    encode(place / "clip.mp4", scene(FRAMES, 96, 64, cuts=(CUT,)), *X264)
    return place


@pytest.fixture(scope="module")
def video(folder: Path) -> Iterator[Video]:
    sources = Sources(Root(folder))
    yield sources.open("clip.mp4")
    sources.close()


@pytest.fixture
def previewer() -> Iterator[Previewer]:
    made = Previewer()
    yield made
    made.close()


def _digests(path: Path) -> list[str]:
    """SHA-256 of the planes of every frame."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            digest = hashlib.sha256()
            for plane in planes_of(frame):
                digest.update(np.ascontiguousarray(plane).data)
            found.append(digest.hexdigest())
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"method": "lanczos"},
        {"method": "lite"},
        {"method": "multiframe"},
        {"method": "lanczos", "passes": ["deflicker"]},
    ],
    ids=lambda settings: "+".join([settings["method"], *settings.get("passes", [])]),
)
def test_it_has_the_samples_of_the_run(
    folder: Path, video: Video, previewer: Previewer, tmp_path: Path, settings: dict[str, Any]
) -> None:
    settings = {**settings, "codec": "ffv1"}
    vsr.upscale(folder / "clip.mp4", tmp_path / "out.mkv", settings=settings)
    written = _digests(tmp_path / "out.mkv")
    assert len(set(written)) == FRAMES
    job = api.plan(folder / "clip.mp4", tmp_path / "other.mkv", settings=settings)
    for ordinal in (0, CUT - 1, CUT, FRAMES - 1):
        _, made = previewer.make(video, job, ordinal)
        assert made.is_whole
        assert made.sha256 == written[ordinal], ordinal


@pytest.mark.slow
def test_a_run_that_begins_or_ends_inside_a_shot_has_the_samples_of_its_preview(
    folder: Path, video: Video, previewer: Previewer, tmp_path: Path
) -> None:
    settings = {"method": "video", "codec": "ffv1"}
    span = {"start": "7", "end": "15"}
    vsr.upscale(folder / "clip.mp4", tmp_path / "out.mkv", settings=settings, **span)
    written = _digests(tmp_path / "out.mkv")
    job = api.plan(folder / "clip.mp4", tmp_path / "other.mkv", settings=settings, **span)
    for ordinal in (7, 10, 14):
        assert previewer.make(video, job, ordinal)[1].sha256 == written[ordinal - 7], ordinal


@pytest.mark.parametrize(
    ("span", "ordinal", "expected"),
    [
        ({}, 10, (0, CUT)),
        ({"start": "7", "end": "15"}, 10, (7, 15)),
        ({"start": "7", "end": "30"}, 25, (CUT, 30)),
        ({"start": "0.25"}, 19, (7, CUT)),
        ({"start": "7"}, 3, (0, CUT)),  # not in the run
    ],
)
def test_chains_count_from_where_the_run_enters_the_shot(
    folder: Path, video: Video, span: dict[str, Any], ordinal: int, expected: tuple[int, int]
) -> None:
    job = api.plan(folder / "clip.mp4", folder / "out.mkv", settings={"method": "video"}, **span)
    segment = plan_frame(video, job, ordinal).segment
    assert (segment.start, segment.stop) == expected


def test_a_part_is_the_part_that_was_asked_for(folder: Path, video: Video, previewer: Previewer) -> None:
    job = api.plan(folder / "clip.mp4", folder / "out.mkv", settings={"method": "lanczos"})
    key, made = previewer.make(video, job, 3, Box(16, 32, 24, 16))
    assert not made.is_whole
    assert (made.width, made.height) == (32, 48)
    assert previewer.find(key) == made
    assert previewer.make(video, job, 3, Box(16, 32, 24, 16)) == (key, made)
    with pytest.raises(UsageError, match="reaches"):
        previewer.make(video, job, 3, Box(50, 32, 24, 16))


def test_frames_are_those_of_a_plain_decode(folder: Path, video: Video) -> None:
    assert video.wait_for(1 << 30, 60)
    assert video.num_known == FRAMES
    assert video.cuts == [CUT]
    with av.open(str(folder / "clip.mp4")) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert [float(video.seconds(number)) for number in range(FRAMES)] == pytest.approx([t - times[0] for t in times])
    seen = {video.image(number).tobytes() for number in (0, 35, 12, 13, 30, 12)}
    assert len(seen) == 5
    assert [video.at_seconds(video.seconds(number)) for number in range(FRAMES)] == list(range(FRAMES))
    with pytest.raises(UsageError, match="known are 0 to 35"):
        video.image(FRAMES)
    assert len(video.thumbnails) >= 18
    assert video.thumbnail_of(0).shape[2] == 3


def test_images_that_are_links_out_of_the_folder_are_not_opened(tmp_path: Path) -> None:
    import cv2

    (tmp_path / "secret.png").write_bytes(b"secret")
    frames = tmp_path / "videos" / "frames"
    frames.mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(frames / f"{number:04d}.png"), np.full((16, 16, 3), 50 * number, np.uint8))
    sources = Sources(Root(tmp_path / "videos"))
    try:
        assert sources.open("frames", "24").wait_for(3, 30)
        cv2.imwrite(str(tmp_path / "secret.png"), np.full((16, 16, 3), 9, np.uint8))
        (frames / "0003.png").symlink_to(tmp_path / "secret.png")
        with pytest.raises(UsageError, match="lead out"):
            sources.open("frames", "24")
        with pytest.raises(InputError):
            sources.get("none")
    finally:
        sources.close()


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "mode"), [*((name, "auto") for name in CLIPS), ("interlaced", "field")])
def test_every_kind_of_video_has_the_samples_of_its_run(
    clips: Callable[[str], Path], previewer: Previewer, tmp_path: Path, name: str, mode: str
) -> None:
    """Layouts, depths, odd times, fields, changes of size in mid-stream, damage."""
    path = tmp_path / clips(name).name
    shutil.copyfile(clips(name), path)
    settings = {"method": "lanczos", "codec": "ffv1", "drop_streams": True, "deinterlace": mode}
    vsr.upscale(path, tmp_path / "out.mkv", settings=settings)
    written = _digests(tmp_path / "out.mkv")
    each = 2 if mode == "field" else 1
    sources = Sources(Root(tmp_path))
    try:
        video = sources.open(path.name)
        assert video.wait_for(1 << 30, 120)
        assert each * video.num_known == len(written)
        job = api.plan(path, tmp_path / "other.mkv", settings=settings)
        for ordinal in {0, video.num_known // 2, video.num_known - 1}:
            assert previewer.make(video, job, ordinal)[1].sha256 == written[each * ordinal]
    finally:
        sources.close()
