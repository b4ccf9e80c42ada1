"""Which frames are deinterlaced: those that show two moments, whatever their flags say. Judged by plain PyAV.

The images are textured and move by two samples a moment, so a woven frame is combed and a progressive one is not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain_reader import first_frames
from program import Run
from videos import X264, Images, encode

pytestmark = pytest.mark.usefixtures("no_leaks")

FRAMES = 16
FLAGGED = ("-flags", "+ildct+ilme", "-x264-params")
EXACT = {"codec": "ffv1", "method": "bicubic", "scale": 1}


def moving(moments: int, *, width: int = 160, height: int = 96, step: int = 3, seed: int = 4) -> Images:
    """Coarse texture that moves ``step`` samples to the right each moment, ``(N, H, W, 3)``."""
    rng = np.random.default_rng(seed)
    image = np.kron(rng.integers(30, 220, (height // 8, width // 8)), np.ones((8, 8)))
    smooth = sum(np.roll(image, (y, x), (0, 1)) for y in range(3) for x in range(3)) / 9
    return np.stack([np.repeat(np.roll(smooth, step * n, 1)[..., None], 3, -1) for n in range(moments)]).astype(
        np.uint8
    )


def woven(moments: Images, *, top_first: bool = True) -> Images:
    """Frames of two moments each: even rows of one, odd rows of the other."""
    first, second = moments[0::2].copy(), moments[1::2]
    early, late = (first, second) if top_first else (second.copy(), first)
    frames = early.copy()
    frames[:, 1::2] = late[:, 1::2]
    return frames


def clip(path: Path, images: Images, flag: str | None) -> Path:
    """``images`` at 25 frames a second, lossless, flagged as ``tff``, ``bff`` or, with None, as progressive."""
    flags = (*FLAGGED, f"{flag}=1:qp=0:bframes=0") if flag else ("-x264-params", "qp=0:bframes=0")
    return encode(path, images, *X264, *flags)


def lumas(path: Path) -> list[NDArray[np.float64]]:
    return [frame.to_ndarray()[: frame.height].astype(float) for frame in first_frames(path)]


def combing(luma: NDArray[np.float64]) -> float:
    """How far rows are from the mean of their neighbours, over how far rows of one field are."""
    across = np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) / 2).mean()
    within = np.abs(luma[2:-2] - (luma[:-4] + luma[4:]) / 2).mean()
    return float(across / within)


COMBED = 1.2  # woven frames of these images have 1.5 and more, progressive ones 0.7 and less


def test_the_images_are_what_the_tests_say(tmp_path: Path) -> None:
    assert min(map(combing, lumas(clip(tmp_path / "woven.mp4", woven(moving(20)), "tff")))) > COMBED
    assert max(map(combing, lumas(clip(tmp_path / "whole.mp4", moving(10), "tff")))) < COMBED
    assert all(frame.interlaced_frame for frame in first_frames(tmp_path / "whole.mp4"))


@pytest.mark.parametrize("flag", ["tff", "bff"])
def test_progressive_images_flagged_as_interlaced_stay_as_they_are(run: Any, tmp_path: Path, flag: str) -> None:
    source = clip(tmp_path / "in.mp4", moving(FRAMES), flag)
    output, manifest = run(source, "mkv", **EXACT)
    assert all(np.array_equal(one, other) for one, other in zip(lumas(source), lumas(output), strict=True))
    assert (manifest["interlaced_frames"], manifest["flagged_interlaced_frames"]) == (0, FRAMES)
    assert manifest["deinterlace"] == "off"


@pytest.mark.parametrize("flag", ["tff", "bff", None])
@pytest.mark.parametrize("top_first", [True, False])
def test_interlaced_images_are_deinterlaced_whatever_their_flags(
    run: Any, tmp_path: Path, flag: str | None, top_first: bool
) -> None:
    source = clip(tmp_path / "in.mp4", woven(moving(2 * FRAMES), top_first=top_first), flag)
    output, manifest = run(source, "mkv", **EXACT)
    images = lumas(output)
    assert len(images) == FRAMES
    assert max(map(combing, images)) < COMBED
    assert manifest["interlaced_frames"] == FRAMES


@pytest.mark.parametrize("flag", ["tff", "bff"])
@pytest.mark.parametrize("top_first", [True, False])
def test_fields_come_in_the_order_of_their_moments(run: Any, tmp_path: Path, flag: str, top_first: bool) -> None:
    """A wrong flag would make the motion jump back with every second frame."""
    moments = moving(2 * FRAMES)
    source = clip(tmp_path / "in.mp4", woven(moments, top_first=top_first), flag)
    output, _ = run(source, "mkv", deinterlace="field", **EXACT)
    images = lumas(output)
    assert len(images) == len(moments)
    expected = moments[..., 0].astype(float)
    for number, image in enumerate(images[2:-2], 2):
        apart = [np.abs(image / 219 * 255 - 18.6 - other).mean() for other in expected[number - 2 : number + 3]]
        assert int(np.argmin(apart)) == 2, number


@pytest.mark.parametrize("flags", [("tff", "tff"), (None, None), (None, "tff"), ("bff", None)], ids=str)
@pytest.mark.parametrize("first", ["progressive", "interlaced"])
def test_each_frame_of_a_mixed_file_gets_what_it_needs(
    run: Any, tmp_path: Path, flags: tuple[str | None, str | None], first: str
) -> None:
    whole, combed = moving(FRAMES, seed=5), woven(moving(2 * FRAMES, seed=6))
    kinds = (whole, combed) if first == "progressive" else (combed, whole)
    source = tmp_path / "mixed.ts"
    parts = []
    for number, (images, flag) in enumerate(zip(kinds, flags, strict=True)):
        offset = ("-muxdelay", "0", "-output_ts_offset", f"{1 + number * FRAMES * 0.04}")
        options = (*FLAGGED, f"{flag}=1:qp=0:bframes=0") if flag else ("-x264-params", "qp=0:bframes=0")
        parts.append(encode(tmp_path / f"{number}.ts", images, *X264, *options, *offset).read_bytes())
    source.write_bytes(b"".join(parts))
    output, manifest = run(source, "mkv", **EXACT)
    given, got = lumas(source), lumas(output)
    assert len(got) == 2 * FRAMES
    progressive = range(FRAMES) if first == "progressive" else range(FRAMES, 2 * FRAMES)
    for number, (before, after) in enumerate(zip(given, got, strict=True)):
        if number in progressive:
            assert np.array_equal(before, after), number
        else:
            assert combing(after) < COMBED, number
    [change] = manifest["changes"]["first"]
    assert (change["frame"], change["what"]) == (FRAMES, "scan")
    assert change["handling"] == ("deinterlaced" if first == "progressive" else "left as it is")


def test_segments_do_not_show_in_a_mixed_file(run: Any, tmp_path: Path) -> None:
    whole, combed = moving(3 * FRAMES, seed=5), woven(moving(4 * FRAMES, seed=6))
    images = np.concatenate([whole[:20], combed[:20], whole[20:]])
    source = clip(tmp_path / "in.mp4", images, "tff")
    seen = []
    for length in (16, 17, 240):
        output, manifest = run(source, "mkv", segment_frames=length, cut_threshold=100.0, **EXACT)
        seen.append(lumas(output))
        output.unlink()
    assert len(manifest["segments"]) == 2
    assert all(
        np.array_equal(one, other) for other_run in seen[:2] for one, other in zip(other_run, seen[2], strict=True)
    )


def test_flags_decide_where_nothing_moves(run: Any, tmp_path: Path) -> None:
    still = np.repeat(moving(1), FRAMES, axis=0)
    _, manifest = run(clip(tmp_path / "flagged.mp4", still, "tff"), "mkv", **EXACT)
    assert manifest["interlaced_frames"] == FRAMES
    _, manifest = run(clip(tmp_path / "plain.mp4", still, None), "mp4", method="lanczos")
    assert manifest["interlaced_frames"] == 0


def test_a_still_before_the_motion_is_judged_by_it(run: Any, tmp_path: Path) -> None:
    """Titles that stand for a while and are flagged as interlaced are what the moving images after them are."""
    images = np.concatenate([np.repeat(moving(1), 10, axis=0), moving(FRAMES)])
    source = clip(tmp_path / "in.mp4", images, "tff")
    output, manifest = run(source, "mkv", **EXACT)
    assert manifest["interlaced_frames"] == 0
    assert all(np.array_equal(one, other) for one, other in zip(lumas(source), lumas(output), strict=True))


def test_deinterlacing_that_is_asked_for_is_done(run: Any, tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", moving(FRAMES), "tff")
    output, manifest = run(source, "mkv", deinterlace="frame", **EXACT)
    assert not all(np.array_equal(one, other) for one, other in zip(lumas(source), lumas(output), strict=True))
    assert manifest["deinterlace"] == "frame"


def test_probe_says_what_the_flags_hide(call: Callable[..., Run], tmp_path: Path) -> None:
    flagged = clip(tmp_path / "flagged.mp4", moving(FRAMES), "tff")
    assert "progressive, though it is flagged as interlaced" in call("probe", str(flagged)).out
    hidden = clip(tmp_path / "hidden.mp4", woven(moving(2 * FRAMES), top_first=False), None)
    assert "interlaced, bottom first, though it is flagged as progressive" in call("probe", str(hidden)).out


@pytest.mark.parametrize("mode", ["field", pytest.param("auto", marks=pytest.mark.nightly)])
def test_rows_filled_along_the_motion_do_not_show_where_a_run_is_cut(run: Any, tmp_path: Path, mode: str) -> None:
    source = clip(tmp_path / "in.mp4", woven(moving(68)), "tff")
    options = EXACT | {"deinterlace": mode, "deinterlacer": "motion", "cut_threshold": 100.0}
    results = []
    for length in (16, 240):
        output, manifest = run(source, "mkv", segment_frames=length, **options)
        results.append((len(manifest["segments"]), lumas(output)))
        output.rename(tmp_path / f"{length}.mkv")
        assert manifest["deinterlacer"] == "motion"
    assert results[0][0] > results[1][0]
    assert all(np.array_equal(one, other) for one, other in zip(results[0][1], results[1][1], strict=True))


def test_what_fills_missing_rows_follows_the_method(run: Any, tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mp4", woven(moving(2 * FRAMES)), "tff")
    output, manifest = run(source, "mkv", method="none", scale=1, codec="ffv1")
    output.unlink()
    assert manifest["deinterlacer"] == "motion"
    output, manifest = run(source, "mkv", **EXACT)
    assert manifest["deinterlacer"] == "bwdif"
    output.unlink()
    _, manifest = run(source, "mkv", deinterlace="off", **EXACT)
    assert manifest["deinterlacer"] is None
