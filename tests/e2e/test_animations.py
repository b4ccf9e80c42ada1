"""GIF, APNG and animated WebP, in and out without options: every frame, at its time, judged by Pillow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from program import Run
from videos import X264, encode, ffmpeg, scene

import vsr
from vsr.errors import InputError, UsageError
from vsr.media.images import read_samples

Call, Clips = Callable[..., Run], Callable[[str], Path]
QUICK = {"method": "bicubic"}
pytestmark = pytest.mark.usefixtures("no_leaks")


def _animation(path: Path, width: int = 65, height: int = 49, **options: object) -> Path:
    frames = [Image.fromarray(image) for image in scene(5, width, height)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, **options)
    return path


def _shown(path: Path) -> tuple[NDArray[np.uint8], list[int]]:
    """The frames ``(N, H, W, 3)`` and how many milliseconds each lasts."""
    frames, lengths = [], []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB")))
            lengths.append(round(image.info.get("duration", 0)))
    return np.stack(frames), lengths


def _decoded(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize(
    ("name", "options"), [("in.gif", {}), ("in.apng", {"format": "PNG"}), ("in.webp", {"lossless": True})]
)
def test_in_without_options(call: Call, tmp_path: Path, name: str, options: dict[str, object]) -> None:
    done = call("upscale", _animation(tmp_path / name, **options), "-o", tmp_path / "out.mp4", "--method", "bicubic")
    assert done.code == 0, done.err
    with av.open(str(tmp_path / "out.mp4")) as made:
        stream = made.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 130, 98)
        times = [float(frame.pts * frame.time_base) for frame in made.decode(stream)]
        assert float(stream.duration * stream.time_base) == pytest.approx(0.4, abs=0.002), "the last one stays, too"
    assert times == pytest.approx([0.08 * n for n in range(5)], abs=0.002)


def test_odd_sizes_become_even_where_players_need_it(call: Call, clips: Clips, tmp_path: Path) -> None:
    words = ("--method", "bicubic", "--scale", "3")
    done = call("upscale", _animation(tmp_path / "in.gif"), "-o", tmp_path / "out.mp4", *words)
    assert done.code == 0, done.err
    assert "196x148, not 195x147: h264 yuv420p wants even sides" in done.out
    video = vsr.probe(tmp_path / "out.mp4").video
    assert (video.width, video.height, video.sample_aspect_ratio) == (196, 148, 1)


@pytest.mark.parametrize("name", ["out.gif", "out 2.webp"])
def test_out_without_options(call: Call, clips: Clips, tmp_path: Path, name: str) -> None:
    """A clip with sound and subtitles, at a variable rate, on one worker and on two."""
    source, output = clips("vfr"), tmp_path / name
    done = call("upscale", source, "-o", output, "--method", "bicubic", "--end", "12", "--workers", "1")
    assert done.code == 0, done.err
    frames, lengths = _shown(output)
    vsr.upscale(source, tmp_path / "out.mkv", end=12, settings=QUICK | {"codec": "ffv1", "pix_fmt": "gbrp"})
    ours = _decoded(tmp_path / "out.mkv").astype(float)
    assert frames.shape == ours.shape
    errors = np.abs(frames - ours).mean((1, 2, 3))
    others = np.abs(frames - np.roll(ours, 1, 0)).mean((1, 2, 3))
    assert (errors < 6).all()
    assert (errors < others / 2).all(), "each frame is that one and no other"
    with av.open(str(tmp_path / "out.mkv")) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    tick = 10 if name.endswith("gif") else 1
    starts = np.cumsum([0, *lengths[:-1]])
    assert np.abs(starts - 1000 * (np.array(times) - times[0])).max() <= tick / 2 + 0.5
    with Image.open(output) as image:
        image.load()
        assert image.info["loop"] == 0, "for ever"
        words = image.info["comment"] if tick == 10 else image.info["xmp"]
        assert b"no generative model took part" in bytes(words)
    assert all(check.passed for check in vsr.verify(output, recompute=True))
    assert not list(tmp_path.glob(".*")), "nothing is left"


def test_what_is_left_out_is_named_and_segments_change_nothing(clips: Clips, tmp_path: Path) -> None:
    for name in ("gif", "webp"):
        outputs = [tmp_path / f"{length}.{name}" for length in (16, 240)]
        for length, output in zip((16, 240), outputs, strict=True):
            settings = QUICK | {"segment_frames": length}
            [outcome] = vsr.upscale(clips("rich"), output, end=20, settings=settings)
        assert outputs[0].read_bytes() == outputs[1].read_bytes()
        assert outcome.manifest is not None
        dropped = outcome.manifest["output"]["dropped"]
        assert [text for text in dropped if text.startswith("audio") and f".{name} holds images alone" in text]
        changed = bytearray(outputs[0].read_bytes())
        changed[len(changed) // 2] ^= 4
        outputs[0].write_bytes(changed)
        assert "output bytes" in [check.what for check in vsr.verify(outputs[0]) if not check.passed]


def test_frames_that_repeat_stay_frames(tmp_path: Path) -> None:
    images = scene(3, 64, 48)[[0, 0, 0, 1, 1, 2]]
    source = encode(tmp_path / "in.mkv", images, "-c:v", "ffv1", rate="10", pix_fmt="bgr0")
    for name in ("out.gif", "out.webp"):
        vsr.upscale(source, tmp_path / name, settings=QUICK)
        assert _shown(tmp_path / name)[1] == [100] * 6


def test_a_phone_video_stands_upright(tmp_path: Path) -> None:
    encode(tmp_path / "flat.mp4", scene(3, 64, 48), *X264)
    ffmpeg("-display_rotation", "90", "-i", str(tmp_path / "flat.mp4"), "-c", "copy", str(tmp_path / "phone.mp4"))
    upright = np.rot90(_decoded(tmp_path / "flat.mp4"), 1, (1, 2)).astype(float)
    for name in ("out.gif", "out.webp"):
        [outcome] = vsr.upscale(tmp_path / "phone.mp4", tmp_path / name, settings=QUICK | {"scale": 1})
        assert outcome.manifest is not None
        assert not outcome.manifest["output"]["dropped"]
        frames = _shown(tmp_path / name)[0]
        assert frames.shape == (3, 64, 48, 3)
        assert np.abs(frames - upright).mean() < 8


def test_pixels_become_square_and_8_bits_deep(call: Call, tmp_path: Path) -> None:
    options = {"rate": "60", "pix_fmt": "yuv420p10le", "vf": "setsar=16/11"}
    source = encode(tmp_path / "in.mp4", scene(3, 88, 48), *X264, **options)
    done = call("upscale", source, "-o", tmp_path / "out.gif", "--method", "bicubic", "--scale", "1")
    assert done.code == 0, done.err
    assert _shown(tmp_path / "out.gif")[0].shape == (3, 48, 128, 3)
    assert "60 frames a second: browsers show .gif frames of 0.01 s for 0.1 s; name the output .webp" in done.out
    assert "10 bits a sample: .gif has 8" in done.err


def test_large_ones_are_announced(tmp_path: Path) -> None:
    source = encode(tmp_path / "in.mp4", scene(50, 64, 48), *X264)
    job = vsr.plan(source, tmp_path / "out.gif", settings=QUICK | {"size": "1920x1440"})
    assert "about 97 MB for 2 s of 1920x1440; .webp takes less than half of that" in " ".join(job.assumptions)
    assert not [words for words in vsr.plan(source, tmp_path / "out.gif", settings=QUICK).assumptions if "MB" in words]


def test_transparency_comes_through(tmp_path: Path) -> None:
    images = np.dstack([scene(1, 64, 48)[0], np.where(np.arange(64) < 20, 0, 255) * np.ones((48, 1), int)])
    frames = [Image.fromarray(np.roll(images, n, 1).astype(np.uint8)) for n in range(3)]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:], duration=80, lossless=True)
    for name in ("out.webp", "out.gif"):
        vsr.upscale(tmp_path / "in.webp", tmp_path / name, settings=QUICK | {"scale": 1})
        with Image.open(tmp_path / name) as image:
            for number in range(3):
                image.seek(number)
                alpha = np.asarray(image.convert("RGBA"))[24, :, 3]
                assert (alpha > 127).tolist() == (np.roll(np.arange(64), number) >= 20).tolist()


def test_what_their_clocks_cannot_hold_is_refused(tmp_path: Path) -> None:
    fast = encode(tmp_path / "fast.mp4", scene(4, 64, 48), *X264, rate="240")
    with pytest.raises(
        UsageError, match=r"which \.gif with its clock of 10 ms cannot tell apart; name the output \.mp4"
    ):
        vsr.upscale(fast, tmp_path / "out.gif", settings=QUICK)
    slow = encode(tmp_path / "slow.mkv", scene(3, 64, 48), *X264, rate="1/700")
    with pytest.raises(UsageError, match=r"frame 0 lasts 700 s, and \.gif has 655 s for one"):
        vsr.upscale(slow, tmp_path / "out.gif", settings=QUICK)
    assert not list(tmp_path.glob("*out*"))


def test_webp_again_is_the_same_video(call: Call, tmp_path: Path) -> None:
    """What libwebp merges and blends is read as it is shown; written without loss it stays so."""
    source = _animation(tmp_path / "in.webp")
    settings = QUICK | {"scale": 1, "lossless": True}
    vsr.upscale(source, tmp_path / "out.webp", settings=settings)
    frames, lengths = _shown(tmp_path / "out.webp")
    assert np.array_equal(frames, _shown(source)[0])
    assert lengths == [80] * 5
    probed = json.loads(call("probe", source, "--json").out)
    assert (probed["media"]["container"], probed["media"]["video"]["num_frames_from_header"]) == ("webp", 5)
    vsr.upscale(source, tmp_path / "part.png", at="0.2s", settings=QUICK | {"scale": 1})
    assert np.array_equal(np.dstack(read_samples(tmp_path / "part.png")[:3]), frames[2])


@pytest.mark.parametrize("keep", [30, 200, 0.6])
def test_damaged_webp_is_said_in_one_line(tmp_path: Path, keep: float) -> None:
    data = _animation(tmp_path / "in.webp").read_bytes()
    (tmp_path / "in.webp").write_bytes(data[: int(keep if keep > 1 else len(data) * keep)])
    with pytest.raises(InputError, match=r"in\.webp: "):
        vsr.upscale(tmp_path / "in.webp", tmp_path / "out.mp4", settings=QUICK)
    assert not list(tmp_path.glob("*out*"))


def test_single_images_of_webp(call: Call, clips: Clips, tmp_path: Path) -> None:
    Image.fromarray(scene(1, 64, 48)[0]).save(tmp_path / "photo.webp", quality=95)
    for name in ("large.png", "large.webp"):
        done = call("upscale", tmp_path / "photo.webp", "-o", tmp_path / name, "--method", "bicubic")
        assert done.code == 0, done.err
        with Image.open(tmp_path / name) as image:
            assert (image.size, getattr(image, "n_frames", 1)) == ((128, 96), 1)
    vsr.upscale(clips("plain"), tmp_path / "f" / "%03d.webp", start=3, end=5, settings=QUICK)
    assert sorted(path.name for path in (tmp_path / "f").glob("*.webp")) == ["003.webp", "004.webp"]
    vsr.upscale(tmp_path / "f", tmp_path / "again.mkv", settings=QUICK)
    assert _decoded(tmp_path / "again.mkv").shape[0] == 2
