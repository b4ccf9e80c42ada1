"""GIF and APNG in without options; GIF and WebP out refused with the command that makes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image
from program import Run
from videos import scene

import vsr
from vsr.errors import InputError
from vsr.media.ffmpeg import run_ffmpeg

Call = Callable[..., Run]


def _animation(path: Path, **options: object) -> Path:
    frames = [Image.fromarray(image) for image in scene(5, 65, 49)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, **options)
    return path


@pytest.mark.parametrize(("name", "options"), [("in.gif", {}), ("in.apng", {"format": "PNG"})])
def test_in_without_options(call: Call, tmp_path: Path, name: str, options: dict[str, object]) -> None:
    done = call("upscale", _animation(tmp_path / name, **options), "-o", tmp_path / "out.mp4", "--method", "bicubic")
    assert done.code == 0, done.err
    with av.open(str(tmp_path / "out.mp4")) as made:
        stream = made.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 130, 98)
        times = [float(frame.pts * frame.time_base) for frame in made.decode(stream)]
    assert times == pytest.approx([0.08 * n for n in range(5)], abs=0.002)


@pytest.mark.parametrize("name", ["out.gif", "out 2.webp"])
def test_out_by_the_command_that_is_named(call: Call, tmp_path: Path, name: str) -> None:
    source = _animation(tmp_path / "in.gif")
    refused = call("upscale", source, "-o", tmp_path / name, "--method", "bicubic")
    assert refused.code == 2
    command = re.search(r"and then: ffmpeg (.*)$", refused.one_line())
    assert command is not None
    vsr.upscale(source, (tmp_path / name).with_suffix(".mp4"), settings={"method": "bicubic"})
    words = [str(tmp_path / word) if word.startswith("out") else word for word in shlex.split(command[1])]
    run_ffmpeg(["-y", *words])
    with Image.open(tmp_path / name) as made:
        assert (made.size, made.n_frames) == ((130, 98), 5)


def test_what_cannot_be_decoded_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="animated WebP, which FFmpeg cannot decode; convert it to APNG"):
        vsr.upscale(_animation(tmp_path / "in.webp"), tmp_path / "out.mp4", settings={"method": "bicubic"})
