"""Stereoscopic and spherical video stays so, or is named: judged by the boxes, by plain PyAV and by ffmpeg."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from boxes import box, find_boxes, sample_entries, with_boxes
from plain_reader import read_plain
from program import Run
from videos import AAC, X264, encode, ffmpeg, scene, tone

import vsr

Call = Callable[..., Run]
_FULL = b"\0\0\0\0"


def _st3d(mode: int) -> bytes:
    return box(b"st3d", _FULL + bytes([mode]))


def _sv3d(shape: bytes, pose: tuple[int, int, int] = (0, 0, 0)) -> bytes:
    """``pose`` in degrees: yaw, pitch and roll."""
    angles = box(b"prhd", _FULL + struct.pack(">3i", *(angle << 16 for angle in pose)))
    return box(b"sv3d", box(b"svhd", _FULL + b"a camera\0") + box(b"proj", angles + shape))


_WHOLE = box(b"equi", _FULL + bytes(16))
_TILE = box(b"equi", _FULL + struct.pack(">4I", 1 << 30, 0, 1 << 29, 1 << 28))
_CUBE = box(b"cbmp", _FULL + struct.pack(">2I", 0, 8))
KINDS = {
    "turned": _st3d(1) + _sv3d(_WHOLE, (30, -10, 5)),
    "tile": _st3d(2) + _sv3d(_TILE),
    "cube": _sv3d(_CUBE),
    "side by side": _st3d(2),
}


def _plain(folder: Path) -> Path:
    """Without ``faststart``, so that boxes can be put in by hand; with sound, so that offsets of two tracks count."""
    return encode(folder / "plain.mp4", scene(6, 64, 32), *X264, *AAC, inputs=tone(0.24))


def _source(folder: Path, kind: str, extension: str = "mp4") -> Path:
    source = with_boxes(_plain(folder), folder / "in.mp4", KINDS[kind])
    if extension == "mp4":
        return source
    target = folder / f"in.{extension}"
    ffmpeg("-i", str(source), "-c", "copy", str(target))
    return target


def _seen(path: Path) -> dict[str, tuple[int, ...]]:
    """FFmpeg's own records of both, from the first frame."""
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
    items: list[Any] = list(frame.side_data)
    return {
        item.type.name: struct.unpack(f"={len(bytes(item)) // 4}I", bytes(item))
        for item in items
        if item.type.name in ("STEREO3D", "SPHERICAL")
    }


@pytest.mark.parametrize("target", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("source", ["mp4", "mkv"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_stays_in_every_container(
    tmp_path: Path, quick: dict[str, Any], kind: str, source: str, target: str
) -> None:
    given, out = _source(tmp_path, kind, source), tmp_path / f"out.{target}"
    requested = _seen(given)
    assert set(requested) >= {"STEREO3D"} if "cube" not in kind else {"SPHERICAL"}
    [outcome] = vsr.upscale(given, out, settings=quick | {"scale": 2})
    assert outcome.manifest is not None
    assert not outcome.manifest["output"]["dropped"]
    if kind == "cube":
        requested["SPHERICAL"] = (*requested["SPHERICAL"][:-1], 16)  # padding is in samples
    assert {name: _seen(out)[name] for name in requested} == requested
    plain = read_plain(out)
    assert [len(plain.video.payloads), len(plain.of("audio")[0].payloads)] == [
        6,
        len(read_plain(given).of("audio")[0].payloads),
    ]
    assert plain.of("audio")[0].digest == read_plain(given).of("audio")[0].digest, "sound is found where it is"
    ffmpeg("-xerror", "-i", str(out), "-f", "null", "-")


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_boxes_are_those_of_the_standard(tmp_path: Path, quick: dict[str, Any], container: str) -> None:
    out = tmp_path / f"out.{container}"
    vsr.upscale(_source(tmp_path, "turned"), out, settings=quick | {"scale": 2})
    data = out.read_bytes()
    tops = [kind for kind, _, _ in find_boxes(data, 0, len(data))]
    assert tops.index(b"moov") < tops.index(b"mdat"), "the header still comes first"
    [(_, inner)] = sample_entries(out)
    assert inner[b"st3d"] == _FULL + b"\1"
    assert b"vexu" not in inner, "nothing that says otherwise"
    [(_, start, stop)] = [found for found in find_boxes(inner[b"sv3d"], 0, len(inner[b"sv3d"])) if found[0] == b"proj"]
    shapes = {kind: inner[b"sv3d"][a:b] for kind, a, b in find_boxes(inner[b"sv3d"], start, stop)}
    assert shapes == {b"prhd": _FULL + struct.pack(">3i", 30 << 16, -10 << 16, 5 << 16), b"equi": _FULL + bytes(16)}


@pytest.mark.parametrize("codec", ["hevc", "av1", "prores"])
def test_other_codecs_say_it_too(tmp_path: Path, quick: dict[str, Any], codec: str) -> None:
    source = _source(tmp_path, "turned")
    settings = quick | {"scale": 2, "codec": codec, "speed": "13" if codec == "av1" else None}
    for container in ("mkv", "mov" if codec == "prores" else "mp4"):
        vsr.upscale(source, tmp_path / f"out.{container}", settings=settings)
        assert _seen(tmp_path / f"out.{container}").items() >= _seen(source).items()


@pytest.mark.parametrize(("number", "mode"), [(3, 2), (4, 1)])
def test_frame_packing_inside_the_stream_moves_to_the_container(
    tmp_path: Path, quick: dict[str, Any], number: int, mode: int
) -> None:
    """A sister: broadcasts say it in an SEI message, which new frames do not have."""
    source = encode(tmp_path / "in.ts", scene(6, 64, 32), *X264, "-x264-params", f"frame-packing={number}")
    vsr.upscale(source, tmp_path / "out.mp4", settings=quick | {"scale": 1})
    assert sample_entries(tmp_path / "out.mp4")[0][1][b"st3d"] == _FULL + bytes([mode])
    vsr.upscale(source, tmp_path / "out.mkv", settings=quick | {"scale": 1})
    tags = {key.lower(): value for key, value in read_plain(tmp_path / "out.mkv").video.tags.items()}
    assert tags["stereo_mode"] == {2: "left_right", 1: "top_bottom"}[mode]


def test_right_view_first_is_kept_by_matroska_and_named_for_mp4(call: Call, tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    ffmpeg("-i", str(_plain(tmp_path)), "-c", "copy", "-metadata:s:v:0", "stereo_mode=right_left", str(source))
    done = call("upscale", source, "-o", tmp_path / "out.mp4", "--dry-run", "-q")
    assert "stereoscopic arrangement (side by side, right view first): .mp4 has no place for it here" in done.out
    assert call("upscale", source, "-o", tmp_path / "out.mkv", "--method", "bicubic", "--scale", 1, "-q").code == 0
    assert _seen(tmp_path / "out.mkv")["STEREO3D"][:2] == _seen(source)["STEREO3D"][:2] == (1, 1)


@pytest.mark.parametrize(
    ("target", "codec", "lost"),
    [
        ("out.mkv", "ffv1", ["spherical projection (equirectangular): .mkv with ffv1"]),
        ("f/%03d.png", "png", ["stereoscopic arrangement (top and bottom): .png", "spherical projection (equi"]),
    ],
)
def test_what_cannot_say_it_is_named_before_the_work(
    call: Call, tmp_path: Path, target: str, codec: str, lost: list[str]
) -> None:
    done = call("upscale", _source(tmp_path, "turned"), "-o", tmp_path / target, "--codec", codec, "--dry-run", "-q")
    assert all(said in row for row, said in zip(_dropped(done.out), lost, strict=True))


def _dropped(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.split()[:1] == ["dropped"]]


def test_a_part_and_a_verified_record(call: Call, tmp_path: Path) -> None:
    source, out = _source(tmp_path, "turned"), tmp_path / "out.mp4"
    quick = ("--method", "bicubic", "--scale", 1, "-q")
    assert call("upscale", source, "-o", out, "--start", 2, *quick).code == 0
    assert _seen(out).items() >= _seen(source).items()
    assert call("verify", out, "--recompute").code == 0
    assert "stereoscopic (top and bottom) and spherical (equirectangular)" in call("probe", source).out
