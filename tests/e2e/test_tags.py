"""Four-character codes by codec, profile and container, read from the boxes; what plans say of quality and alpha."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from boxes import sample_entries
from program import Run
from videos import MASTER_DISPLAY, X264, X265, encode, ffmpeg, scene

from vsr.media.codecs import CODECS

Call = Callable[..., Run]
QUICK = ("--method", "bicubic", "--scale", 1, "-q")


def _entries(path: Path) -> list[bytes]:
    """The codes of the sample entries of all video tracks of an MP4 or MOV file, in order."""
    return [code for code, _ in sample_entries(path)]


def _source(folder: Path, pix_fmt: str) -> Path:
    return encode(folder / "in.mkv", scene(5, 64, 48), "-c:v", "ffv1", pix_fmt=pix_fmt)


def _hdr(folder: Path) -> Path:
    colour = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    params = (
        "-x265-params",
        f"repeat-headers=1:hdr10=1:master-display={MASTER_DISPLAY}:max-cll=1000,400:log-level=none",
    )
    return encode(folder / "in.mkv", scene(5, 64, 48), *X265, *params, *colour, pix_fmt="yuv420p10le")


TAGS = [
    ("h264", "yuv420p", "mp4", b"avc1"),
    ("h264", "yuv420p", "mov", b"avc1"),
    ("h264", "yuv422p10le", "mp4", b"avc1"),
    ("h264", "yuv444p", "mov", b"avc1"),
    ("h264", "gbrp", "mp4", b"avc1"),
    ("hevc", "yuv420p", "mp4", b"hvc1"),
    ("hevc", "yuv420p", "mov", b"hvc1"),
    ("hevc", "yuv420p10le", "mp4", b"hvc1"),
    ("hevc", "yuv444p12le", "mov", b"hvc1"),
    ("av1", "yuv420p10le", "mp4", b"av01"),
    ("ffv1", "yuv420p", "mov", b"FFV1"),
    ("prores", "yuv422p10le", "mov", b"apch"),
    ("prores", "yuv444p10le", "mov", b"ap4h"),
    ("prores", "yuva444p10le", "mov", b"ap4h"),
]
"""Codec, layout (which decides the profile), container and the code that players look for."""


def test_the_table_is_whole() -> None:
    named = {(codec, container) for codec, _, container, _ in TAGS}
    rows = {(row.name, c) for row in CODECS.values() for c in row.containers if c in ("mp4", "mov")}
    assert named == rows


@pytest.mark.parametrize(("codec", "pix_fmt", "container", "tag"), TAGS)
def test_every_profile_has_its_code(
    call: Call, tmp_path: Path, codec: str, pix_fmt: str, container: str, tag: bytes
) -> None:
    out = tmp_path / f"out.{container}"
    done = call("upscale", _source(tmp_path, pix_fmt), "-o", out, *QUICK, "--codec", codec)
    assert done.code == 0, done.err
    assert _entries(out) == [tag]
    with av.open(str(out)) as file:
        frames = list(file.decode(video=0))
    assert len(frames) == 5
    # decoders take 4444 for 12 bit, by its code
    expected = pix_fmt.replace("444p10", "444p12") if codec == "prores" else pix_fmt
    assert frames[0].format.name == expected


@pytest.mark.parametrize(("pix_fmt", "tag"), [("yuv422p10le", b"apch"), ("yuv444p10le", b"ap4h")])
def test_matroska_says_it_in_its_private_data(call: Call, tmp_path: Path, pix_fmt: str, tag: bytes) -> None:
    out = tmp_path / "out.mkv"
    assert call("upscale", _source(tmp_path, pix_fmt), "-o", out, *QUICK, "--codec", "prores").code == 0
    data = out.read_bytes()
    element = data.index(b"\x63\xa2")  # CodecPrivate
    assert (data[element + 2], data[element + 3 : element + 7]) == (0x84, tag)


def _units(packet: bytes) -> list[int]:
    """Types of the HEVC units in a packet with lengths of four bytes."""
    place, kinds = 0, []
    while place < len(packet):
        kinds.append(packet[place + 4] >> 1 & 63)
        place += 4 + int.from_bytes(packet[place : place + 4], "big")
    return kinds


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_hvc1_keeps_parameter_sets_in_the_header_alone(call: Call, tmp_path: Path, container: str) -> None:
    """As ISO 14496-15 has it. HDR streams repeat them, with their metadata, at every key frame otherwise."""
    out = tmp_path / f"out.{container}"
    assert call("upscale", _hdr(tmp_path), "-o", out, *QUICK).code == 0
    assert _entries(out) == [b"hvc1"]
    with av.open(str(out)) as file:
        kinds = {kind for packet in file.demux(video=0) if packet.size for kind in _units(bytes(packet))}
    assert not kinds & {32, 33, 34}
    assert 39 in kinds, "the HDR metadata stay"
    with av.open(str(out)) as file:
        frames = list(file.decode(video=0))
    assert len(frames) == 5
    assert "MASTERING_DISPLAY_METADATA" in {item.type.name for item in frames[0].side_data}  # type: ignore[attr-defined]


@pytest.mark.parametrize("extension", ["mkv", "ts", "mp4"])
def test_a_second_video_is_copied_under_the_code_that_plays(call: Call, tmp_path: Path, extension: str) -> None:
    """A sister: FFmpeg copies HEVC from Matroska and transport streams as ``hev1``. MP4 has a code, which stays."""
    first = encode(tmp_path / "first.mp4", scene(5, 64, 48), *X264)
    params = ("-x265-params", "log-level=none")
    second = encode(tmp_path / "second.mp4", scene(5, 32, 32, seed=2), *X265, *params)
    source = tmp_path / f"both.{extension}"
    ffmpeg("-i", str(first), "-i", str(second), "-map", "0", "-map", "1", "-c", "copy", str(source))
    out = tmp_path / "out.mp4"
    done = call("upscale", source, "-o", out, *QUICK)
    assert done.code == 0, done.err
    assert _entries(out) == [b"avc1", b"hev1" if extension == "mp4" else b"hvc1"]
    with av.open(str(out)) as file:
        assert sum(1 for _ in file.decode(video=1)) == 5


@pytest.mark.parametrize(
    ("codec", "extra", "said"),
    [
        ("prores", (), "prores yuv422p10le"),
        ("av1", (), "av1 yuv420p, crf 20 8"),
        ("h264", (), "h264 yuv420p, crf 16 medium"),
        ("h264", ("--lossless",), "h264 yuv420p, lossless medium"),
        ("ffv1", (), "ffv1 yuv420p, lossless"),
    ],
)
def test_only_what_is_lossless_is_called_so(
    call: Call, tmp_path: Path, codec: str, extra: tuple[str, ...], said: str
) -> None:
    out = tmp_path / ("out.mov" if codec == "prores" else "out.mkv")
    done = call("upscale", _source(tmp_path, "yuv420p"), "-o", out, "--codec", codec, *extra, "--dry-run", "-q")
    assert re.search(rf"^ *codec +{said}$", done.out, re.MULTILINE), done.out + done.err


@pytest.mark.parametrize("codec", ["prores", "png"])
def test_reports_say_the_same(tmp_path: Path, quick: dict[str, Any], codec: str) -> None:
    import vsr

    target = tmp_path / ("f/%03d.png" if codec == "png" else "out.mov")
    settings = {**quick, "speed": None, "codec": codec}
    [outcome] = vsr.upscale(_source(tmp_path, "yuv444p"), target, settings=settings)
    vsr.make_report(outcome.output, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (", lossless" in text) == (codec == "png")


def _with_alpha(folder: Path, codec: str) -> Path:
    """An image whose alpha falls from left to right."""
    path = folder / f"alpha-{codec}.mov"
    pixel = "yuva444p10le" if codec == "prores_ks" else "rgba"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.2", "-f", "lavfi", "-i", "nullsrc=s=64x48:r=25:d=0.2"),
        *("-filter_complex", f"[1]format=gray,geq=lum='255-3*X'[a];[0][a]alphamerge,format={pixel}"),
        *("-c:v", codec, *(("-profile:v", "4444") if codec == "prores_ks" else ()), str(path)),
    )
    return path


@pytest.mark.parametrize("codec", ["prores_ks", "png", "qtrle"])
def test_alpha_is_kept_or_named(call: Call, tmp_path: Path, codec: str) -> None:
    source, out = _with_alpha(tmp_path, codec), tmp_path / "out.mov"
    refused = call("upscale", source, "-o", out, *QUICK, "--codec", "prores")
    assert refused.code == 2
    hint = re.search(r"--pix-fmt (\S+)$", refused.one_line())
    assert hint, refused.err
    assert hint[1] == "yuva444p10le", "the loss that is proposed is the least"
    assert call("upscale", source, "-o", out, *QUICK, "--codec", "prores", "--pix-fmt", hint[1]).code == 0
    with av.open(str(out)) as file:
        frame = next(file.decode(video=0))
    assert frame.format.name == "yuva444p12le"
    alpha = np.frombuffer(memoryview(frame.planes[3]), "<u2").reshape(48, -1)[:, :64] / 4095
    assert np.abs(alpha - (255 - 3 * np.arange(64)) / 255).max() < 0.01
    other = tmp_path / "other.mov"
    done = call("upscale", source, "-o", other, "--codec", "prores", "--pix-fmt", "yuv422p10le", "--dry-run", "-q")
    assert re.search(r"^ *dropped +alpha channel: yuv422p10le has none$", done.out, re.MULTILINE)


def test_a_codec_without_alpha_says_so_in_its_hint(call: Call, tmp_path: Path) -> None:
    source = _with_alpha(tmp_path, "png")
    refused = call("upscale", source, "-o", tmp_path / "out.mp4", *QUICK, "--codec", "hevc")
    assert refused.one_line().endswith("by --pix-fmt gbrp (without alpha)")
