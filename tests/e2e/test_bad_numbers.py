"""Numbers that are none: one line and exit code 2, by every command that takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from program import Run
from videos import ffmpeg


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "seq"
    folder.mkdir()
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=32x24", "-frames:v", "3", str(folder / "%04d.bmp"))
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "upscale CLIP -o OUT.mp4 --start 1/0",
        "upscale CLIP -o OUT.mp4 --end 1e99999999s",
        "upscale CLIP -o OUT.mp4 --fps 1/0",
        "upscale SEQ -o OUT.mp4 --fps 0",
        "probe SEQ --fps abc",
        "probe SEQ --fps 1/0",
        "still CLIP --roi 0,0,32,32 --at 1/0 -o OUT.png",
        "still SEQ --roi 0,0,32,24 --at 0 -o OUT.png --fps abc",
        "frames CLIP -o OUT/%04d.png --start 1/0",
        "compare CLIP CLIP --offset 1/0",
        "compare SEQ SEQ --fps 1/0",
    ],
)
def test_one_line(call: Callable[..., Run], clips: Callable[[str], Path], images: Path, line: str) -> None:
    names = {"CLIP": str(clips("plain")), "SEQ": str(images)}
    output = str(images.parent / "out")
    done = call(*(names.get(word, word.replace("OUT", output)) for word in line.split()))
    assert done.code == 2
    said = done.one_line()
    assert any(words in said for words in ("is not a position", "is not a frame rate", "neither a number of seconds"))
