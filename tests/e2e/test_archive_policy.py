"""Lossless masters against MediaConch: its checks of Matroska and FFV1, and a policy as archives write them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from plain_reader import read_plain
from videos import X264, encode, scene, tone

import vsr

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(shutil.which("mediaconch") is None, reason="MediaConch (apt install mediaconch) is not here"),
]

_RULES = (
    ("General", "Format", "=", "Matroska"),
    ("General", "Format_Version", ">=", "4"),
    ("General", "UniqueID", "exists", ""),
    ("General", "extra/ErrorDetectionType", "=", "Per level 1"),
    ("Video", "Format", "=", "FFV1"),
    ("Video", "Format_Version", ">=", "3.4"),
    ("Video", "Format_Settings_GOP", "=", "N=1"),
    ("Video", "extra/ErrorDetectionType", "=", "Per slice"),
    ("Video", "extra/MaxSlicesCount", ">=", "4"),
    ("Video", "Compression_Mode", "=", "Lossless"),
    ("Video", "DisplayAspectRatio", "exists", ""),
    ("Video", "FrameRate_Mode", "=", "CFR"),
    ("Video", "colour_range", "exists", ""),
    ("Video", "colour_primaries", "exists", ""),
    ("Video", "transfer_characteristics", "exists", ""),
    ("Video", "matrix_coefficients", "exists", ""),
)
_ELEMENTS = ("Info/SegmentUID/", "SeekHead/", "Tracks/TrackEntry/Video/FlagInterlaced/")


def _policy(folder: Path, *more: tuple[str, str, str, str]) -> Path:
    rules = [
        f'<rule name="{kind} {name}" value="{name}" tracktype="{kind}" occurrence="*" '
        f'operator="{operator.replace(">", "&gt;")}"' + (f">{value}</rule>" if value else "/>")
        for kind, name, operator, value in (*_RULES, *more)
    ]
    rules += [f'<rule name="{name}" scope="mmt" value="Segment/{name}" operator="exists"/>' for name in _ELEMENTS]
    path = folder / "policy.xml"
    path.write_text(f'<?xml version="1.0"?>\n<policy type="and" name="masters">{"".join(rules)}</policy>\n')
    return path


def _judge(path: Path, *options: str) -> str:
    done = subprocess.run(["mediaconch", *options, str(path)], capture_output=True, text=True, check=True)
    return done.stdout


def _check(path: Path, *more: tuple[str, str, str, str]) -> None:
    assert _judge(path).startswith("pass!"), _judge(path)
    assert _judge(path, "-p", str(_policy(path.parent, *more))).startswith("pass!"), _judge(
        path, "-p", str(path.parent / "policy.xml")
    )


def _master(source: Path, **settings: Any) -> Path:
    target = source.parent / "master.mkv"
    quick = {"method": "lanczos", "encoder_threads": 1, "scale": 2}
    vsr.upscale(source, target, preset="lossless", settings=quick | settings)
    return target


def test_a_master_with_sound_that_is_untouched(tmp_path: Path) -> None:
    sound = ("-c:a:0", "pcm_s24le", "-c:a:1", "flac", "-map", "0", "-map", "1", "-map", "1")
    source = encode(tmp_path / "reel.mkv", scene(5, 64, 48), *X264, *sound, inputs=tone(0.2))
    master = _master(source)
    _check(master, ("Video", "ScanType", "=", "Progressive"))
    before, after = (read_plain(path).of("audio") for path in (source, master))
    assert [one.codec for one in after] == ["pcm_s24le", "flac"]
    assert [one.digest for one in after] == [one.digest for one in before]


def test_fields_and_pixels_that_are_not_square(tmp_path: Path) -> None:
    options = ("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme")
    source = encode(
        tmp_path / "tape.mkv", scene(16, 72, 64), *options, vf="setsar=16/15,tinterlace=interleave_top,fieldorder=tff"
    )
    master = _master(source, scale=1, deinterlace="off")
    _check(master, ("Video", "ScanType", "=", "Interlaced"), ("Video", "ScanOrder", "=", "TFF"))
    video = vsr.probe(master).video
    assert (video.sample_aspect_ratio, video.field_order) == (vsr.probe(source).video.sample_aspect_ratio, "top first")
