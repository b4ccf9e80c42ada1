"""What images say in their headers is kept, or named before the work: DPX, OpenEXR and TIFF."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_runs import PLAIN, dropped_by
from PIL import Image, TiffImagePlugin
from plain_reader import first_frames
from program import Run
from videos import encode, scene

import vsr
from vsr.media.images import read_samples

Call = Callable[..., Run]


# DPX: what FFmpeg writes has no film and television headers; they are put in here as film scanners write them.

_NUMBERS = {"frame": 1712, "timecode": 1920}
_START = 86400


def _dpx(folder: Path, order: str, transfer: int = 1, count: int = 4) -> Path:
    """Images in either byte order, each with frame number, timecode, edge code and a frame rate."""
    folder.mkdir()
    pix_fmt = "gbrp10le" if order == "<" else "gbrp10be"
    encode(folder / "%04d.dpx", scene(count, 48, 32), "-c:v", "dpx", "-strict", "-2", pix_fmt=pix_fmt)
    for number, path in enumerate(sorted(folder.iterdir())):
        data = path.read_bytes()
        assert data[:4] == (b"XPDS" if order == "<" else b"SDPX")
        [offset] = struct.unpack_from(order + "I", data, 4)
        out = bytearray(data[:1664]) + b"\xff" * 384 + data[offset:]
        out[801] = out[802] = transfer
        out[1664:1680] = b"KJ23701234560099"
        struct.pack_into(order + "I", out, _NUMBERS["frame"], _START + number)
        struct.pack_into(order + "f", out, 1724, 24.0)
        struct.pack_into(order + "I", out, _NUMBERS["timecode"], 0x01020304 + number)
        struct.pack_into(order + "IfIf", out, 784, 95, 0.0, 685, 2.048)
        out[460:471], out[1432:1440], out[1556:1564] = b"(c) archive", b"reel.dpx", b"ARRISCAN"
        struct.pack_into(order + "I", out, 4, 2048)
        struct.pack_into(order + "I", out, 16, len(out))
        path.write_bytes(bytes(out))
    return folder


def _header(path: Path) -> dict[str, Any]:
    """Read by the places of SMPTE ST 268 alone."""
    data = path.read_bytes()
    order = "<" if data[:4] == b"XPDS" else ">"
    found: dict[str, Any] = {name: struct.unpack_from(order + "I", data, place)[0] for name, place in _NUMBERS.items()}
    [size] = struct.unpack_from(order + "I", data, 16)
    [rate] = struct.unpack_from(order + "f", data, 1724)
    found |= {"references": struct.unpack_from(order + "IfIf", data, 784)}
    found |= {"said": [data[place : place + 200].partition(b"\0")[0] for place in (460, 1432, 1556)]}
    return found | {"edge": data[1664:1680], "transfer": data[801:803], "rate": rate, "whole": size == len(data)}


@pytest.mark.parametrize(("order", "pix_fmt"), [("<", None), (">", None), (">", "gbrp12le")])
def test_dpx_headers_go_with_their_frames(
    tmp_path: Path, quick: dict[str, Any], order: str, pix_fmt: str | None
) -> None:
    folder = _dpx(tmp_path / "in", order)
    assert not dropped_by(folder, tmp_path / "out" / "%04d.dpx", quick, fps="24", pix_fmt=pix_fmt)
    for number in range(4):
        found = _header(tmp_path / "out" / f"{number + 1:04d}.dpx")
        assert found == {
            "frame": _START + number,
            "timecode": 0x01020304 + number,
            "edge": b"KJ23701234560099",
            "transfer": b"\1\1",
            "rate": 24.0,
            "whole": True,
            "references": pytest.approx((95, 0.0, 685, 2.048)) if pix_fmt is None else found["references"],
            "said": [b"(c) archive", b"reel.dpx", b"ARRISCAN"],
        }
        assert pix_fmt is None or found["references"][0] != 95, "codes of another depth"
        [frame] = first_frames(tmp_path / "out" / f"{number + 1:04d}.dpx")
        if pix_fmt is None:
            [given] = first_frames(folder / f"{number + 1:04d}.dpx")
            assert np.array_equal(frame.to_ndarray(), given.to_ndarray())
        assert frame.metadata["timecode"] == f"01:02:03:{4 + number:02d}", "as FFmpeg reads it"


def test_who_made_a_dpx_file_is_named_before_vsr_says_so_of_itself(tmp_path: Path, quick: dict[str, Any]) -> None:
    folder = _dpx(tmp_path / "in", ">")
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        data[160:170], data[260:268] = b"Scanner 3\0", b"Reel 12\0"
        path.write_bytes(bytes(data))
    said = ["creator Scanner 3", "project Reel 12"]
    lost = dropped_by(folder, tmp_path / "out" / "%04d.dpx", quick, fps="24")
    assert lost == [f"{one}: vsr writes its own there" for one in said]
    assert (tmp_path / "out" / "0001.dpx").read_bytes()[160:163] == b"vsr"
    lost = dropped_by(folder, tmp_path / "out.mkv", quick, fps="24", codec="ffv1")
    assert lost[-2:] == [f"{one}: only DPX has a place for it" for one in said]


def test_what_vsr_said_of_itself_is_handed_on_and_not_named_as_lost(tmp_path: Path, quick: dict[str, Any]) -> None:
    first, second = tmp_path / "first" / "%04d.dpx", tmp_path / "second" / "%04d.dpx"
    dropped_by(_dpx(tmp_path / "in", ">"), first, quick, fps="24")
    assert dropped_by(first.parent, second, quick, fps="24") == []
    said = (tmp_path / "second" / "0001.dpx").read_bytes()[260:460].partition(b"\0")[0].decode()
    assert "; its source said: vsr " in said
    lost = dropped_by(first.parent, tmp_path / "out.mkv", quick, fps="24", codec="ffv1")
    assert not [one for one in lost if one.startswith(("creator", "project"))]


def test_a_transfer_that_is_given_takes_the_place_of_what_the_header_says(
    call: Call, tmp_path: Path, quick: dict[str, Any]
) -> None:
    folder, said = _dpx(tmp_path / "in", ">", transfer=6), "transfer is logarithmic, as input_transfer says"
    [outcome] = vsr.upscale(
        folder,
        tmp_path / "out" / "%04d.dpx",
        settings={**quick, "scale": 1, "fps": "24", "input_transfer": "logarithmic"},
    )
    assert outcome.manifest is not None
    assert any(one.startswith(said) for one in outcome.manifest["assumptions"])
    assert _header(tmp_path / "out" / "0002.dpx")["transfer"] == b"\3\6"
    for number in (1, 2):
        [one], [other] = (first_frames(tmp_path / where / f"{number:04d}.dpx") for where in ("in", "out"))
        assert np.array_equal(one.to_ndarray(), other.to_ndarray()), "samples stay as they are coded"
    dropped = dropped_by(folder, tmp_path / "out.mkv", quick, fps="24", codec="ffv1", input_transfer="logarithmic")
    assert "transfer logarithmic: only DPX has a place for it" in dropped
    clip = encode(tmp_path / "clip.mp4", scene(3, 64, 48), "-c:v", "libx264", "-color_trc", "bt709")
    done = call("upscale", clip, "-o", tmp_path / "c.mp4", "--input-transfer", "smpte2084", "--method", "bicubic", "-q")
    assert done.code == 0, done.err
    assert vsr.probe(tmp_path / "c.mp4").video.color.transfer == 16
    done = call("upscale", clip, "-o", tmp_path / "d.mp4", "--input-transfer", "log", "-q")
    assert (done.code, "input_transfer" in done.one_line(), "logarithmic" in done.one_line()) == (2, True, True)


def test_a_part_of_a_dpx_sequence_keeps_its_own_numbers(tmp_path: Path, quick: dict[str, Any]) -> None:
    """A sister: the numbers are those of each frame, not of the first."""
    folder = _dpx(tmp_path / "in", ">")
    [outcome] = vsr.upscale(folder, tmp_path / "out" / "%04d.dpx", start=2, settings=quick | PLAIN | {"fps": "24"})
    paths = sorted((tmp_path / "out").glob("*.dpx"))
    assert [_header(p)["frame"] for p in paths] == [_START + 2, _START + 3]
    assert [p.name for p in paths] == ["0003.dpx", "0004.dpx"]
    assert '"timecode": "01:02:03:06"' in (tmp_path / "out" / "timing.json").read_text()
    assert outcome.manifest is not None
    assert not outcome.manifest["output"]["dropped"]


def test_images_keep_the_numbers_in_their_names(tmp_path: Path, quick: dict[str, Any]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, image in enumerate(scene(3, 48, 32), _START):
        Image.fromarray(image).save(folder / f"reel7_{number:07d}.png")
    dropped_by(folder, tmp_path / "out" / "reel7_%07d.tif", quick, fps="24")
    names = sorted(path.name for path in (tmp_path / "out").glob("*.tif"))
    assert names == [f"reel7_{_START + number:07d}.tif" for number in range(3)]
    output = tmp_path / "out" / "reel7_%07d.tif"
    assert all(check.passed for check in vsr.verify(output, recompute=True))


def test_frames_are_exported_with_their_headers(call: Call, tmp_path: Path) -> None:
    folder = _dpx(tmp_path / "in", ">")
    assert call("frames", folder, "-o", tmp_path / "f" / "%03d.dpx", "--fps", 24, "--start", 1).code == 0
    assert [_header(p)["frame"] for p in sorted((tmp_path / "f").glob("*.dpx"))] == [_START + n for n in (1, 2, 3)]


@pytest.mark.parametrize("extension", ["mov", "mkv"])
def test_videos_get_the_timecode_and_name_the_rest(
    call: Call, tmp_path: Path, quick: dict[str, Any], extension: str
) -> None:
    folder = _dpx(tmp_path / "in", ">")
    said = dropped_by(folder, tmp_path / f"out.{extension}", quick, fps="24", codec="ffv1")
    only = "only DPX has a place for it"
    names = ("transfer printing density", f"frame number {_START}", "film edge code")
    names += ("codes and densities of black and white", "copyright", "scanner and source image")
    assert said == [f"{name}: {only}" for name in names]
    import av

    with av.open(str(tmp_path / f"out.{extension}")) as file:
        tags = [stream.metadata for stream in file.streams] + [file.metadata]
    assert "01:02:03:04" in {value for tag in tags for key, value in tag.items() if key.lower() == "timecode"}


@pytest.mark.parametrize(("transfer", "log"), [(1, "printing density"), (3, "logarithmic"), (6, ""), (2, "")])
def test_log_is_not_taken_for_srgb(call: Call, tmp_path: Path, transfer: int, log: str) -> None:
    folder = _dpx(tmp_path / "in", ">", transfer)
    done = call("probe", folder, "--fps", 24)
    assert ("transfer is " + log + ": samples are restored as they are coded" in done.out) == bool(log)
    if log:
        assert "primaries not tagged: taken as sRGB" in done.out, "primaries alone are assumed"
        assert call("upscale", folder, "-o", tmp_path / "o.mkv", "--fps", 24, "--method", "bicubic", "-q").code == 0
        [frame] = first_frames(tmp_path / "o.mkv", 1)
        assert int(frame.color_trc) == 2


def test_log_stays_log_through_images_of_another_kind(tmp_path: Path, quick: dict[str, Any]) -> None:
    """A sister: ``timing.json`` says that the transfer is none of those that have a code."""
    folder = _dpx(tmp_path / "in", ">")
    dropped_by(folder, tmp_path / "png" / "%04d.png", quick, fps="24")
    dropped_by(tmp_path / "png", tmp_path / "again.mkv", quick, codec="ffv1")
    assert int(first_frames(tmp_path / "again.mkv", 1)[0].color_trc) == 2


def test_dpx_without_those_headers_gets_none(tmp_path: Path, quick: dict[str, Any]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    encode(folder / "%04d.dpx", scene(2, 48, 32), "-c:v", "dpx", pix_fmt="gbrp")
    assert not dropped_by(folder, tmp_path / "out.mkv", quick, fps="24")
    assert not dropped_by(folder, tmp_path / "out" / "%04d.dpx", quick, fps="24")
    assert len(first_frames(tmp_path / "out" / "0001.dpx")) == 1


# OpenEXR: attributes put in by hand, as renderers and cameras write them.

_AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
_BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.329)


def _attribute(name: str, kind: str, value: bytes) -> bytes:
    return f"{name}\0{kind}\0".encode() + struct.pack("<I", len(value)) + value


def _attributes(path: Path) -> dict[str, bytes]:
    """By the layout of the file alone: name, type, size, value, until an empty name."""
    data, place, found = path.read_bytes(), 8, {}
    while data[place]:
        name, _, _ = data[place:].partition(b"\0")
        place += len(name) + 1
        place = data.index(b"\0", place) + 1
        [size] = struct.unpack_from("<I", data, place)
        found[name.decode()] = data[place + 4 : place + 4 + size]
        place += 4 + size
    return found


def _exr(folder: Path, primaries: tuple[float, ...] = _AP0, count: int = 3) -> Path:
    folder.mkdir()
    encode(folder / "%04d.exr", scene(count, 48, 32), "-c:v", "exr", "-format", "float", pix_fmt="gbrpf32le")
    for number, path in enumerate(sorted(folder.iterdir())):
        data = path.read_bytes()
        end = 8
        while data[end]:  # behind the last attribute
            end = data.index(b"\0", data.index(b"\0", end) + 1) + 1
            end += 4 + struct.unpack_from("<I", data, end)[0]
        added = _attribute("chromaticities", "chromaticities", struct.pack("<8f", *primaries))
        added += _attribute("timeCode", "timecode", struct.pack("<2I", 0x01020304 + number, 0))
        added += _attribute("cameraSerialNumber", "string", b"K1.0001")
        [first] = struct.unpack_from("<Q", data, end + 1)
        offsets = struct.unpack_from(f"<{(first - end - 1) // 8}Q", data, end + 1)
        table = struct.pack(f"<{len(offsets)}Q", *(offset + len(added) for offset in offsets))
        path.write_bytes(data[:end] + added + b"\0" + table + data[first:])
    return folder


def test_attributes_of_openexr_go_with_their_frames(tmp_path: Path, quick: dict[str, Any]) -> None:
    folder = _exr(tmp_path / "in")
    assert not dropped_by(folder, tmp_path / "out" / "%04d.exr", quick, fps="24")
    for number in range(3):
        out, given = tmp_path / "out" / f"{number + 1:04d}.exr", folder / f"{number + 1:04d}.exr"
        kept = ("chromaticities", "timeCode", "cameraSerialNumber")
        assert {name: _attributes(out)[name] for name in kept} == {name: _attributes(given)[name] for name in kept}
        assert _attributes(out)["software"].startswith(b"vsr")
        assert all(np.array_equal(a, b) for a, b in zip(read_samples(out), read_samples(given), strict=True))
    assert '"timecode": "01:02:03:04"' in (tmp_path / "out" / "timing.json").read_text()


def test_primaries_of_openexr_are_read_or_said_to_be_others(call: Call, tmp_path: Path, quick: dict[str, Any]) -> None:
    """A sister of film logarithms: ACES is not BT.709."""
    aces, wide = _exr(tmp_path / "aces"), _exr(tmp_path / "wide", _BT2020)
    said = call("probe", aces, "--fps", 24).out
    assert "primaries are the file's own: samples are restored as they are coded" in said
    assert "BT.709" not in "".join(line for line in said.splitlines() if "primaries" in line)
    dropped = dropped_by(aces, tmp_path / "out" / "%04d.png", quick, fps="24", pix_fmt="gbrp16le")
    assert dropped == ["attributes chromaticities, cameraSerialNumber: only EXR has a place for it"]
    assert '"primaries": 2' in (tmp_path / "out" / "timing.json").read_text()
    dropped_by(wide, tmp_path / "wide.mkv", quick, fps="24", codec="ffv1", pix_fmt="gbrp16le")
    assert int(first_frames(tmp_path / "wide.mkv", 1)[0].color_primaries) == 9


def test_an_openexr_header_that_ends_early_is_left_to_the_decoder(call: Call, tmp_path: Path) -> None:
    folder = _exr(tmp_path / "in", count=1)
    path = folder / "0001.exr"
    path.write_bytes(path.read_bytes()[:60])
    done = call("probe", folder, "--fps", 24)
    assert (done.code, "cannot be decoded" in done.one_line() or "not" in done.one_line()) == (3, True)


def _tiffs(folder: Path) -> Path:
    """Images written by Pillow with the tags of a scanner."""
    folder.mkdir()
    rng = np.random.default_rng(6)
    for number in range(3):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, words in {269: "Reel 7", 270: f"Leaf {number}", 271: "Scans Ltd", 306: "2024:05:06 07:08:09"}.items():
            tags[tag] = words
        tags[305], tags[315], tags[33432] = "ScanTool 4", "A. Person", "(c) archive"
        tags[282], tags[283], tags[296] = 300.5, 600, 3
        image = Image.fromarray(rng.integers(0, 256, (32, 48, 3), np.uint8))
        image.save(folder / f"{number:03d}.tif", tiffinfo=tags)
    return folder


_SCANNED = {269: "Reel 7", 271: "Scans Ltd", 306: "2024:05:06 07:08:09", 315: "A. Person", 33432: "(c) archive"}


def test_tags_of_tiff_go_with_their_frames(tmp_path: Path, quick: dict[str, Any]) -> None:
    folder = _tiffs(tmp_path / "in")
    lost = dropped_by(folder, tmp_path / "same" / "%03d.tiff", quick, fps="24")
    assert lost == ["software ScanTool 4: vsr writes its own there"]
    lost = dropped_by(folder, tmp_path / "large" / "%03d.tiff", quick, fps="24", scale=2)
    assert lost == ["software ScanTool 4: vsr writes its own there", "resolution 601/2x600: that of another size"]
    for number in range(3):
        for name in ("same", "large"):
            with Image.open(tmp_path / name / f"{number:03d}.tiff") as image:
                tags = dict(image.tag_v2)  # type: ignore[attr-defined]
                image.load()
            assert {tag: tags[tag] for tag in _SCANNED} == _SCANNED
            assert tags[270].endswith(f"; of the source: Leaf {number}")
            assert tags[305].startswith("vsr ")
            found = (float(tags[282]), float(tags[283]), tags[296])
            assert (found == (300.5, 600.0, 3)) == (name == "same")
    again = dropped_by(tmp_path / "same", tmp_path / "again" / "%03d.tiff", quick, fps="24")
    assert not again, "what vsr says of itself is not named"


def test_other_formats_name_the_tags_of_tiff(tmp_path: Path, quick: dict[str, Any]) -> None:
    lost = dropped_by(_tiffs(tmp_path / "in"), tmp_path / "out" / "%03d.png", quick, fps="24")
    said = ["document name Reel 7", "make Scans Ltd", "date 2024:05:06 07:08:09", "artist A. Person"]
    said += ["copyright (c) archive", "description Leaf 0", "resolution 601/2x600", "software ScanTool 4"]
    assert lost == [f"{one}: only TIFF has a place for it" for one in said]
