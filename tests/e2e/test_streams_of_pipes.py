"""What a pipe holds besides its images, and what goes to one: nothing is lost unasked or unnamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pipe_ends import BICUBIC, OneWay, made_by_ffmpeg, through
from plain_reader import read_plain
from videos import broadcast, late_sound

from vsr.api.piping import pipe
from vsr.errors import UsageError

Clips = Callable[[str], Path]


def test_streams_of_a_pipe_are_not_lost_unasked(clips: Clips, tmp_path: Path) -> None:
    data = made_by_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25", "-f", "lavfi", "-i", "sine", "-t", "1", "-f", "nut"),
        folder=tmp_path,
    )
    with pytest.raises(UsageError, match=r"audio stream 1 \(.*\) cannot be kept from a pipe"):
        pipe("-", tmp_path / "out.mkv", stdin=OneWay(data), settings=BICUBIC)
    manifest = through(data, "nut", tmp_path, settings={"drop_streams": True})[1]
    assert any("audio stream 1" in text for text in manifest["output"]["dropped"])


@pytest.mark.parametrize("asked", ["strict", "evidence"])
def test_a_run_that_loses_nothing_refuses_what_no_container_holds(tmp_path: Path, asked: str) -> None:
    """As of a file; an ordinary run goes on and names it."""
    data = broadcast(tmp_path / "in.ts", "klv").read_bytes()
    settings = {"method": "lanczos", "scale": 1}
    with pytest.raises(UsageError, match=rf"data stream 1 \(.*\) cannot be kept from a pipe, and --{asked} loses"):
        pipe("-", tmp_path / "out.mkv", stdin=OneWay(data), settings=settings | {asked: True})
    assert not (tmp_path / "out.mkv").exists()
    manifest = through(data, "nut", tmp_path, settings=settings)[1]
    assert any(text.startswith("data stream 1 ") for text in manifest["output"]["dropped"])


@pytest.mark.parametrize("container", ["y4m", "mkv"])
def test_streams_that_a_file_shows_late_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    """They are learnt of when most of the images have left. At its end a file is looked at beforehand, too."""
    monkeypatch.setattr("vsr.media.safe_open._DEEP", {"probesize": str(1 << 18)})  # as if files were longer
    source = late_sound(tmp_path / "in.mpg", 6, 2, "-c:v", "mpeg2video", "-b:v", "6M", "-c:a", "mp2")
    manifest = through(source, container, tmp_path, settings={"drop_streams": True, "speed": "ultrafast"})[1]
    assert [text for text in manifest["output"]["dropped"] if "begins" in text] == [
        "1 stream that begins later than FFmpeg looks for streams"
    ]
    if container == "mkv":
        with pytest.raises(UsageError, match="holds streams that begin later than FFmpeg looks for them"):
            through(source, container, tmp_path, settings={"speed": "ultrafast"})


@pytest.mark.parametrize(
    ("seconds", "begins", "named"),
    [
        (6, 4, "audio stream 1 (mp2): it came through a pipe"),
        (9, 8, "1 stream that begins later than FFmpeg looks for streams"),
    ],
    ids=("beyond the first bytes", "beyond what FFmpeg reads"),
)
def test_sound_that_begins_late_in_a_pipe_is_not_lost_unasked(
    tmp_path: Path, seconds: int, begins: int, named: str
) -> None:
    source = late_sound(tmp_path / "in.mpg", seconds, begins, "-c:v", "mpeg2video", "-b:v", "6M", "-c:a", "mp2")
    data, settings = source.read_bytes(), BICUBIC | {"speed": "ultrafast", "codec": "ffv1"}
    with pytest.raises(UsageError, match=r"standard input: .* cannot be kept from a pipe"):
        pipe("-", tmp_path / "out.mkv", stdin=OneWay(data), settings=settings)
    assert not (tmp_path / "out.mkv").exists()
    outcome = pipe("-", tmp_path / "out.mkv", stdin=OneWay(data), settings=settings | {"drop_streams": True})
    assert outcome.manifest is not None
    assert [text for text in outcome.manifest["output"]["dropped"] if text.endswith(named)]
    manifest = through(data, "y4m", tmp_path)[1]
    assert [text for text in manifest["output"]["dropped"] if text.endswith(named)]


@pytest.mark.parametrize(("container", "flags"), [("nut", ()), ("matroska", ()), ("mp4", ("-movflags", "+faststart"))])
def test_chapters_that_came_through_a_pipe_are_named(
    clips: Clips, tmp_path: Path, container: str, flags: Sequence[str]
) -> None:
    """Once, and not the track that MP4 makes of them; nor where there are none."""
    rich = ("-i", str(clips("rich")), "-map", "0:v", "-c", "copy")
    data = made_by_ffmpeg(*rich, *flags, "-f", container, folder=tmp_path)
    assert read_plain(tmp_path / "made").chapters
    path, manifest = through(data, "nut", tmp_path)
    assert not read_plain(path).chapters
    dropped = manifest["output"]["dropped"]
    assert [text for text in dropped if "chapters" in text] == ["chapters: they came through a pipe"]
    data = made_by_ffmpeg(*rich, *flags, "-map_chapters", "-1", "-f", container, folder=tmp_path)
    assert not any("chapters" in text for text in through(data, "nut", tmp_path)[1]["output"]["dropped"])
