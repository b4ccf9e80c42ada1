"""Film on video: its frames come out at their own rate and times, sound in step, the same bytes however work is cut."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from plain_reader import first_frames
from program import Run
from telecine import film, shown, video, whole_frames
from videos import encode, ffmpeg, tone

import vsr
from vsr.api.piping import pipe

pytestmark = pytest.mark.usefixtures("no_leaks")

NTSC = "30000/1001"
SETTINGS = {"method": "none", "scale": 1, "codec": "ffv1"}
FILM_FRAMES = 96
FIELDS = shown(range(FILM_FRAMES), (2, 3), begin=1)


def _telecined(path: Path, *, fields: list[int] = FIELDS, sound: bool = True) -> Path:
    """Grey frames of a film in the fields of a video, losslessly, and a tone beside it."""
    images = np.repeat(video(film(FILM_FRAMES), fields)[..., None], 3, -1)
    target = path.with_name("plain.mkv") if sound else path
    plain = encode(target, images, "-c:v", "ffv1", rate=NTSC, pix_fmt="yuv444p")
    if not sound:
        return plain
    ffmpeg("-i", str(plain), *tone(4.0), "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "pcm_s16le", str(path))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return _telecined(tmp_path / "in.mkv")


def _planes(path: Path) -> list[bytes]:
    return [frame.to_ndarray().tobytes() for frame in first_frames(path)]


def _film_planes(tmp_path: Path) -> list[bytes]:
    """The frames of the film that the video holds whole, as they decode."""
    return _planes(
        _telecined(tmp_path / "film.mkv", fields=[n for n in whole_frames(FIELDS) for _ in (0, 1)], sound=False)
    )


def _times(path: Path) -> tuple[list[Fraction], list[Fraction]]:
    """Of the frames, and of the packets of sound."""
    with av.open(str(path)) as container:
        frames = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = [p.pts * p.time_base for p in container.demux(audio=0) if p.pts is not None]
    return frames, sound


def test_film_frames_come_out_exactly_at_their_rate_and_sound_in_step(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mov"
    [outcome] = vsr.upscale(source, target, settings=SETTINGS)
    assert outcome.manifest is not None
    assert _planes(target) == _film_planes(tmp_path)
    given, made = _times(source), _times(target)
    assert made[1][0] == given[1][0]
    steps = np.diff([float(time) for time in made[0]])[1:]
    assert np.allclose(steps, 1001 / 24000, atol=0.0011), "the clock of the Matroska file counts milliseconds"
    shown_first = [FIELDS.index(number) // 2 for number in whole_frames(FIELDS)]
    late = [float(time - given[0][place]) for time, place in zip(made[0], shown_first, strict=True)]
    assert max(map(abs, late)) < 1001 / 30000
    found = outcome.manifest["film"]
    assert (found["film_frames"], found["breaks"], found["single_fields"]) == (len(whole_frames(FIELDS)), 0, 1)
    assert (outcome.manifest["deinterlace"], outcome.manifest["settings"]["deinterlace"]) == ("film", "auto")
    assert all(check.passed for check in vsr.verify(target))


def test_the_timecode_of_the_video_is_not_given_to_the_film(tmp_path: Path) -> None:
    plain = _telecined(tmp_path / "plain.mov", sound=False)
    source = tmp_path / "in.mov"
    ffmpeg("-i", str(plain), "-c", "copy", "-timecode", "01:00:00:00", str(source))
    assert vsr.probe(source).video.timecode == "01:00:00:00"
    lost = "timecode: it counts the frames of the video, not those of the film"
    for name, mode in (("film.mov", "film"), ("film.mkv", "film"), ("off.mov", "off")):
        [outcome] = vsr.upscale(source, tmp_path / name, settings={**SETTINGS, "deinterlace": mode})
        assert outcome.manifest is not None
        dropped, is_film = outcome.manifest["output"]["dropped"], mode == "film"
        assert (lost in dropped) == is_film
        assert not any("rewritten from its timecode" in one for one in dropped)
        assert vsr.probe(tmp_path / name).video.timecode == (None if is_film else "01:00:00:00")


def test_rates_are_exact_where_the_clock_is(tmp_path: Path) -> None:
    exact, target = _telecined(tmp_path / "exact.mov", sound=False), tmp_path / "out.mov"
    vsr.upscale(exact, target, settings=SETTINGS)
    with av.open(str(target)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert {after - before for before, after in pairwise(times[1:])} == {Fraction(1001, 24000)}


def test_an_interrupted_run_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "segment_frames": 16}
    vsr.upscale(source, tmp_path / "whole.mkv", settings=settings)

    def interrupt(progress: vsr.Progress) -> None:
        if progress.frames_done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vsr.upscale(source, tmp_path / "parts.mkv", settings=settings, on_progress=interrupt)
    [outcome] = vsr.upscale(source, tmp_path / "parts.mkv", settings=settings)
    assert outcome.manifest is not None
    assert len(outcome.manifest["segments"]) > 4
    assert any(segment["reused"] for segment in outcome.manifest["segments"])
    digests = [hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("whole.mkv", "parts.mkv")]
    assert digests[0] == digests[1]
    assert _planes(tmp_path / "parts.mkv") == _film_planes(tmp_path)


def test_a_span_of_frames_is_one_of_the_video(source: Path, tmp_path: Path) -> None:
    vsr.upscale(source, tmp_path / "part.mkv", settings=SETTINGS, start="50f", end="100f")
    part, whole = _planes(tmp_path / "part.mkv"), _film_planes(tmp_path)
    assert len(part) == 40
    first = whole.index(part[0])
    assert whole[first : first + 40] == part
    assert FIELDS.index(whole_frames(FIELDS)[first]) // 2 in (49, 50, 51)


def test_a_pipe_gives_the_same_frames(source: Path, tmp_path: Path) -> None:
    made = io.BytesIO()
    with source.open("rb") as given:
        pipe("-", "-", container="nut", stdin=given, stdout=made, settings={**SETTINGS, "drop_streams": True})
    (tmp_path / "piped.nut").write_bytes(made.getvalue())
    assert _planes(tmp_path / "piped.nut") == _film_planes(tmp_path)


def test_it_is_said_before_and_after(call: Callable[..., Run], source: Path, tmp_path: Path) -> None:
    assert "showing film (3:2)" in call("probe", source).out
    plan = call("upscale", source, "-o", tmp_path / "out.mkv", "--scale", "1", "--method", "none", "--dry-run")
    assert "film on video (3:2)" in plan.out
    done = call("upscale", source, "-o", tmp_path / "out.mkv", "--scale", "1", "--method", "none", "--codec", "ffv1")
    assert f"film on video (3:2): {len(whole_frames(FIELDS))} film frames" in done.out


def test_what_is_asked_for_is_done(call: Callable[..., Run], source: Path, tmp_path: Path) -> None:
    """``off`` leaves the video as it is; ``film`` on a video that shows none says so, and leaves it as it is."""
    [outcome] = vsr.upscale(source, tmp_path / "off.mkv", settings={**SETTINGS, "deinterlace": "off"})
    assert outcome.manifest is not None
    assert (outcome.manifest["film"], _planes(tmp_path / "off.mkv")) == (None, _planes(source))
    plain = _telecined(tmp_path / "plain-film.mkv", fields=[n for n in range(60) for _ in (0, 1)])
    arguments = ("--scale", "1", "--method", "none", "--codec", "ffv1", "--deinterlace", "film")
    done = call("upscale", plain, "-o", tmp_path / "film.mkv", *arguments)
    assert "not telecined" in done.out
    assert _planes(tmp_path / "film.mkv") == _planes(plain)
    assert _times(tmp_path / "film.mkv")[0] == _times(plain)[0]
