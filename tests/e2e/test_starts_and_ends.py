"""Edges of streams: packets that give no frame, samples without data, the length of the last frame."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from plain_reader import first_frames, read_plain
from program import Run
from videos import X264, encode, ffmpeg, scene, tone

import vsr

Call = Callable[..., Run]
SETTINGS: dict[str, Any] = {"method": "lanczos", "scale": 1.0}
GOP = ("-g", "20", "-sc_threshold", "0", "-bf", "2")
LEADS = {
    "ts": (*X264, *GOP),
    "hevc.ts": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=20:min-keyint=20:log-level=error"),
    "mpeg2.ts": ("-c:v", "mpeg2video", *GOP),
    "h264": (*X264, *GOP),
}
pytestmark = pytest.mark.usefixtures("no_leaks")


def _without_start(path: Path, share: float) -> Path:
    """The file without its first part, cut where a broadcast's packet or a unit of the codec begins."""
    data = path.read_bytes()
    start = int(len(data) * share)
    start = start - start % 188 if path.suffix == ".ts" else data.index(b"\x00\x00\x01\x41", start)
    path.write_bytes(data[start:])
    return path


@pytest.mark.parametrize("name", LEADS)
def test_a_stream_that_begins_between_key_frames(name: str, tmp_path: Path, call: Call) -> None:
    source = encode(tmp_path / f"in.{name}", scene(60, 64, 64), *LEADS[name])
    whole = call("upscale", source, "-o", tmp_path / "whole.mkv", "--scale", 1, "--method", "lanczos", "--strict")
    assert whole.code == 0, whole.err
    _without_start(source, 0.15 if name == "h264" else 0.3)
    with av.open(str(source)) as container:
        packets = sum(bool(packet.size) for packet in container.demux(video=0))
    frames = len(first_frames(source))
    assert 0 < frames < packets

    done = call("upscale", source, "-o", tmp_path / "out.mkv", "--scale", 1, "--method", "lanczos")
    assert done.code == 0, done.err
    words = f"{packets - frames} packets at the start give no frame"
    assert words in done.out
    assert len(read_plain(tmp_path / "out.mkv").video.pts) == frames
    strict = call("upscale", source, "-o", tmp_path / "strict.mkv", "--scale", 1, "--method", "lanczos", "--strict")
    assert (strict.code, words in strict.one_line()) == (3, True)
    assert "before the first key frame" in call("probe", source).out


def test_what_an_edit_list_hides_is_no_damage(tmp_path: Path) -> None:
    """Frames before the edit's start are decoded, not shown."""
    whole = encode(tmp_path / "whole.mp4", scene(60, 64, 64), *X264, *GOP)
    ffmpeg("-ss", "0.5", "-i", str(whole), "-c", "copy", str(tmp_path / "in.mp4"))
    assert len(first_frames(tmp_path / "in.mp4")) < 60
    [outcome] = vsr.upscale(tmp_path / "in.mp4", tmp_path / "out.mp4", settings=SETTINGS | {"strict": True})
    assert outcome.manifest is not None
    assert outcome.manifest["damage"]["lead_packets"] == 0


@pytest.mark.parametrize("codec", ["mjpeg", "mpeg4"])
@pytest.mark.parametrize("place", [4, 9], ids=["inside", "last"])
def test_samples_without_data_are_no_damage(codec: str, place: int, tmp_path: Path, call: Call) -> None:
    """The frame before goes on; what follows is decoded as ever."""
    source = tmp_path / "in.mp4"
    audio = ("-c:a", "aac", "-movflags", "+faststart", "-chunk_duration", "1")
    encode(source, scene(10, 64, 64), "-c:v", codec, "-bf", "0", "-q:v", "3", *audio, inputs=tone(0.4))
    data = bytearray(source.read_bytes())
    sizes = data.index(b"stsz")
    assert struct.unpack_from(">II", data, sizes + 8) == (0, 10)
    struct.pack_into(">I", data, sizes + 16 + 4 * place, 0)
    source.write_bytes(data)
    end = read_plain(source).video.seconds[-1]
    assert end == Fraction(9 if place != 9 else 8, 25)

    [outcome] = vsr.upscale(source, tmp_path / "out.mp4", settings=SETTINGS | {"strict": True})
    assert outcome.manifest is not None
    damage = outcome.manifest["damage"]
    assert (damage["empty_packets"], damage["decode_errors"], damage["events"]) == (1, 0, [])
    times = read_plain(tmp_path / "out.mp4").video.seconds
    assert times == [Fraction(n, 25) for n in range(10) if n != place]
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0]
        assert video.duration * video.time_base == Fraction(10, 25)
    assert "1 samples without data" in call("probe", source).out


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("suffix", ["apng", "gif"])
@pytest.mark.parametrize("delays", [[100, 300, 1000, 100], [100, 100, 700], [300]], ids=["shorter", "longer", "single"])
def test_the_last_frame_of_an_animation_lasts_as_it_says(
    suffix: str, delays: list[int], container: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    images = [Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)) for _ in delays]
    source = tmp_path / f"in.{suffix}"
    options: dict[str, Any] = {"append_images": images[1:], "duration": delays, "loop": 0}
    if len(delays) == 1 and suffix == "apng":  # Pillow would write a plain image
        options |= {"append_images": images, "default_image": True}
    images[0].save(source, format="png" if suffix == "apng" else "gif", save_all=True, **options)
    output = tmp_path / f"out.{container}"
    vsr.upscale(source, output, settings=SETTINGS | {"pix_fmt": "yuv444p"})
    with av.open(str(output)) as made:
        assert made.duration == sum(delays) * 1000
