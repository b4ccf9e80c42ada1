"""`vsr still`: from many frames to one image and its record."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from plates import FACE, SCALE, PlateClip, film, film_passing, psnr_db
from videos import encode, scene

import vsr
from vsr.media.images import read_samples

X264 = ("-c:v", "libx264", "-preset", "medium", "-crf", "20", "-threads", "1")
GIVEN = {"psf_sigma_px": 0.45, "regularization": 1.0}
"""Of stills that are about something else: not finding these takes less time."""
pytestmark = pytest.mark.usefixtures("no_leaks")


def _gray(path: Path) -> NDArray[np.float64]:
    """A still as gray, 0…255."""
    planes = read_samples(path)
    return np.mean([plane.astype(np.float64) for plane in planes], axis=0) / 65535 * 255


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlateClip, Path]:
    """30 hand-held frames with noise 8/255, as H.264."""
    clip = film()
    return clip, encode(tmp_path_factory.mktemp("filmed") / "plate.mp4", np.stack(clip.frames), *X264)


@pytest.fixture(scope="module")
def made(filmed: tuple[PlateClip, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The still of its plate and the record."""
    clip, path = filmed
    output = tmp_path_factory.mktemp("made") / "plate.png"
    still = vsr.still(path, output, at=0, roi=clip.roi)
    return output, dict(still.record)


def _best_single(clip: PlateClip, path: Path) -> float:
    """PSNR of the best single frame, enlarged by Pillow's bicubic."""
    import av

    x, y, width, height = clip.roi
    found = []
    with av.open(str(path)) as container:
        for frame, hr in zip(container.decode(video=0), clip.hr_regions, strict=True):
            rgb = frame.to_ndarray(format="rgb24").astype(np.float64).mean(2)
            image = Image.fromarray(rgb.astype(np.float32), mode="F")
            large = image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.BICUBIC)
            box = np.asarray(large, np.float64)[y * SCALE : (y + height) * SCALE, x * SCALE : (x + width) * SCALE]
            found.append(psnr_db(box, hr))
    return max(found)


@pytest.mark.slow
def test_a_plate_gains_three_decibels(filmed: tuple[PlateClip, Path], made: tuple[Path, dict[str, Any]]) -> None:
    clip, path = filmed
    gain = psnr_db(_gray(made[0]), clip.hr_regions[0]) - _best_single(clip, path)
    assert gain >= 3.0, f"{gain:.2f} dB"


@pytest.mark.slow
def test_the_record_says_everything(filmed: tuple[PlateClip, Path], made: tuple[Path, dict[str, Any]]) -> None:
    output, record = made
    assert record == json.loads(output.with_name("plate.png.vsr.json").read_text())
    assert len(record["frames"]) == 30
    assert record["found"]["frames_used"] == sum(frame["used"] for frame in record["frames"])
    for frame in record["frames"]:
        assert len(frame["md5"]) == 32
        assert frame["used"] != bool(frame["reason"])
        assert np.array(frame["registration"]["matrix"]).shape == (3, 3)
        if frame["used"]:
            assert frame["fitted"]["lr_psnr_db"] > 25
    assert record["method"]["generative"] is False
    assert record["method"]["precision"] == "float64"
    assert 0.38 <= record["found"]["psf_sigma_px"] <= 0.6
    assert 4 / 255 < record["found"]["noise_sigma"] < 9 / 255
    assert 0.8 < record["quality"]["residual_over_noise"] < 1.5
    assert all(step["what"] for step in record["steps"])
    assert len(record["input"]["sha256"]) == 64
    assert record["request"]["torch_threads"] == 1
    assert filmed[0].roi == tuple(int(part) for part in record["request"]["roi"].split(","))


@pytest.mark.slow
def test_fitted_motion_is_the_true_one(filmed: tuple[PlateClip, Path], made: tuple[Path, dict[str, Any]]) -> None:
    clip, (x, y, width, height) = filmed[0], filmed[0].roi
    corners = np.array([[x, x + width - 1, x, x + width - 1], [y, y, y + height - 1, y + height - 1], [1.0] * 4])
    errors = []
    for frame in made[1]["frames"]:
        true = np.linalg.inv(clip.poses[frame["ordinal"]]) @ corners
        found = np.array(frame["fitted"]["matrix"]) @ corners
        errors.append(found[:2] / found[2] - true[:2] / true[2])
    assert np.sqrt(np.mean(np.square(errors))) < 0.12


@pytest.mark.slow
def test_images_and_maps(filmed: tuple[PlateClip, Path], made: tuple[Path, dict[str, Any]]) -> None:
    output, record = made
    _, _, width, height = filmed[0].roi
    for name in ("plate.png", "plate.support.png", "plate.confidence.png"):
        with Image.open(output.with_name(name)) as image:
            image.load()
            assert image.size == (width * 4, height * 4)
            assert "no generative model took part" in image.text["Comment"]
    [support] = read_samples(output.with_name("plate.support.png"))
    frames = support.astype(float) / 255 * record["found"]["frames_used"]
    assert 20 < frames.mean() <= 30
    [confidence] = read_samples(output.with_name("plate.confidence.png"))
    assert confidence.mean() > 200
    assert len(read_samples(output)) == 3
    assert read_samples(output)[0].dtype == np.uint16


@pytest.mark.slow
def test_blurred_and_foreign_frames_are_left_out(tmp_path: Path) -> None:
    clip = film(14, blurred=(5, 9), noise=4.0)
    frames = np.stack(clip.frames)
    frames[3] = np.random.default_rng(0).integers(0, 255, frames[3].shape)
    path = encode(tmp_path / "in.mkv", frames, "-c:v", "ffv1")
    record = vsr.still(path, tmp_path / "out.png", at=0, roi=clip.roi, scale=2, **GIVEN).record
    reasons = {frame["ordinal"]: frame["reason"] for frame in record["frames"] if not frame["used"]}
    assert "blurred" in reasons.pop(5)
    assert "blurred" in reasons.pop(9)
    assert "could not be registered" in reasons.pop(3)
    assert not reasons


@pytest.mark.slow
def test_what_passes_in_this_frame_alone_stays_in_the_image(tmp_path: Path) -> None:
    """Thirteen frames show the plate, the one asked for something dark before its middle: that is what it shows."""
    clip = film(14, noise=2.0)
    x, _, width, _ = clip.roi
    frames = np.stack(clip.frames)
    hidden = frames[7][:, x + width // 3 : x + 2 * width // 3]
    hidden[:] = np.clip(30 + np.random.default_rng(2).normal(0, 2, hidden.shape), 0, 255)
    path = encode(tmp_path / "in.mkv", frames, "-c:v", "ffv1")
    record = vsr.still(path, tmp_path / "out.png", at=7, roi=clip.roi, scale=2, **GIVEN).record
    assert record["found"]["frames_used"] > 6, "else the others have no say anyway"
    made = read_samples(tmp_path / "out.png")[0] / 257
    there = np.s_[:, 2 * width // 3 + 6 : 4 * width // 3 - 6]
    assert np.percentile(made[there], 95) < 50, "the plate is bright"
    assert record["quality"]["reference_lr_psnr_db"] > 28
    [confidence] = read_samples(tmp_path / "out.confidence.png")
    assert confidence[there].mean() < 100 < confidence.mean()


@pytest.mark.slow
def test_a_plate_that_passes_by_is_followed(tmp_path: Path) -> None:
    clip = film_passing(17)
    path = encode(tmp_path / "in.mp4", np.stack(clip.frames), *X264)
    x, y, width, height = clip.roi
    at = 8
    roi = (x + 9 * at // 4, y + 2 * at // 4, width, height)
    record = vsr.still(path, tmp_path / "out.png", at=at, roi=roi, scale=2, **GIVEN).record
    used = [frame for frame in record["frames"] if frame["used"]]
    assert len(used) >= 14
    middle = np.array([roi[0] + width / 2, roi[1] + height / 2, 1.0])
    for frame in used:
        moved = np.array(frame["fitted"]["matrix"]) @ middle
        steps = frame["ordinal"] - at
        assert moved[0] / moved[2] - middle[0] == pytest.approx(9 / 4 * steps, abs=0.15)
        assert moved[1] / moved[2] - middle[1] == pytest.approx(2 / 4 * steps, abs=0.15)


@pytest.mark.slow
def test_a_cut_in_the_window(tmp_path: Path) -> None:
    path = encode(tmp_path / "in.mp4", scene(40, cuts=(20,)), *X264)
    record = vsr.still(path, tmp_path / "out.png", at=24, frames=12, scale=2, roi=(10, 10, 60, 40), **GIVEN).record
    assert min(frame["ordinal"] for frame in record["frames"]) == 20
    assert any("there is a cut at frame 20" in note and "from it on" in note for note in record["notes"])
    record = vsr.still(path, tmp_path / "two.png", at=16, frames=12, scale=2, roi=(10, 10, 60, 40), **GIVEN).record
    assert max(frame["ordinal"] for frame in record["frames"]) == 19
    assert any("there is a cut at frame 20" in note and "before it" in note for note in record["notes"])


@pytest.mark.slow
def test_nothing_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    still = scene(1, 96, 64)[0].astype(np.int16)
    frames = np.stack([still + rng.normal(0, 3, still.shape) for _ in range(9)]).clip(0, 255).astype(np.uint8)
    path = encode(tmp_path / "in.mkv", frames, "-c:v", "ffv1")
    record = vsr.still(path, tmp_path / "out.png", at=4, roi=(8, 8, 64, 48), scale=2, **GIVEN).record
    assert record["found"]["stands_still"]
    assert any("nothing moves" in note and "only noise" in note for note in record["notes"])


@pytest.mark.slow
def test_repeated_frames_count_once(tmp_path: Path) -> None:
    frames = np.repeat(np.stack(film(6, noise=3.0).frames), 2, axis=0)
    path = encode(tmp_path / "in.mkv", frames, "-c:v", "ffv1")
    record = vsr.still(path, tmp_path / "out.png", at=0, roi=film(1).roi, scale=2, **GIVEN).record
    assert record["found"]["frames_used"] == 6
    assert {frame["reason"] for frame in record["frames"] if not frame["used"]} == {
        f"it repeats frame {number}" for number in range(0, 12, 2)
    }


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["ten_bit", "four_two_two", "rgb", "gray", "alpha", "interlaced", "sar", "rotated"])
def test_every_kind_of_image(clips: Callable[[str], Path], tmp_path: Path, clip: str) -> None:
    output = tmp_path / "out.tif"
    record = vsr.still(clips(clip), output, at=4, frames=6, scale=2, roi=(8, 8, 48, 32), **GIVEN).record
    planes = read_samples(output)
    assert len(planes) == (1 if clip == "gray" else 3)
    assert all(plane.shape == (64, 96) and plane.dtype == np.uint16 for plane in planes)
    assert all(check.passed for check in vsr.verify(output))
    if clip == "interlaced":
        assert record["method"]["deinterlaced"]
    if clip == "rotated":
        assert any("turn" in note for note in record["notes"])
    if clip == "sar":
        assert any("as wide as high" in note for note in record["notes"])


@pytest.mark.slow
def test_without_evidence_it_is_nearly_the_same(filmed: tuple[PlateClip, Path], tmp_path: Path) -> None:
    clip, path = filmed
    options: Any = {"at": 0, "roi": clip.roi, "frames": 8, "scale": 2, **GIVEN}
    double = vsr.still(path, tmp_path / "double.png", **options)
    single = vsr.still(path, tmp_path / "single.png", evidence=False, **options)
    assert single.record["method"]["precision"] == "float32"
    apart = np.abs(_gray(double.output) - _gray(single.output))
    assert apart.mean() < 0.5


def test_bad_input_is_one_line(call: Any, clips: Callable[[str], Path], tmp_path: Path) -> None:
    clip, output = clips("plain"), tmp_path / "out.png"
    cases = [
        (("--at", "9:00"), "past the end", 2),
        (("--at", "30"), "past the end", 2),
        (("--at", "soon"), "is not a position", 2),
        (("--at", "3", "--roi", "90,60,20,20"), "leaves the image", 2),
        (("--at", "3", "--roi", "1,2,3"), "is not a region", 2),
        (("--at", "3", "--roi", "1,2,4,40"), "too small", 2),
        (("--at", "3", "--scale", "40"), "scale is 40", 2),
        (("--at", "3", "--frames", "0"), "frames is 0", 2),
    ]
    for arguments, words, code in cases:
        done = call("still", clip, "-o", output, *arguments)
        assert done.code == code, (arguments, done.err)
        assert words in done.err
        assert len(done.err.strip().splitlines()) == 1
    assert call("still", clip, "-o", tmp_path / "out.mp4", "--at", "3").code == 2
    assert call("still", clip, "-o", tmp_path / "none" / "out.png", "--at", "3").code == 5
    assert call("still", tmp_path / "missing.mp4", "-o", output, "--at", "3").code == 3
    assert not list(tmp_path.iterdir())


def test_nothing_is_replaced_unasked(call: Any, clips: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "out.support.png").write_bytes(b"mine")
    done = call("still", clips("plain"), "-o", tmp_path / "out.png", "--at", "3")
    assert done.code == 2
    assert "--overwrite" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["out.support.png"]


def test_the_command_line(call: Any, clips: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / "out.png"
    arguments = (
        "still",
        clips("plain"),
        "-o",
        output,
        "--at",
        "0:00.5",
        "--roi",
        "8,8,40,32",
        "--frames",
        "4",
        "--scale",
        "2",
    )
    done = call(*arguments)
    assert done.code == 0, done.err
    assert "frame 12 at 0:00:00.480" in done.out
    assert call("verify", output, "--recompute").code == 0
    result = call(*arguments, "--overwrite", "--json")
    assert json.loads(result.out)["reference"]["ordinal"] == 12


@pytest.mark.slow
def test_frames_of_few_bits_are_warned_of(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """At this rate a still is worse than one sharpened frame (`benchmarks/stills.py sharpened`)."""
    assert made[1]["warnings"] == []
    assert made[1]["found"]["bits_a_pixel"] > 0.5
    clip = film(10, text=FACE, noise=6.0, seed=12)
    path = encode(tmp_path / "in.mp4", np.stack(clip.frames), *X264[:-3], "34", *X264[-2:])
    record = vsr.still(path, tmp_path / "out.png", at=5, roi=clip.roi, scale=2, **GIVEN).record
    assert any("no more than one sharpened frame" in warning for warning in record["warnings"])
    assert record["found"]["bits_a_pixel"] < 0.05
