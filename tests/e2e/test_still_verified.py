"""A still against its record: one changed bit is named, and what is made again is the same."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from plates import film
from videos import encode

import vsr
from vsr.frames import ColorSpec
from vsr.media.codecs import CODECS
from vsr.media.encode import EncoderSpec, encode_image
from vsr.media.images import read_samples
from vsr.media.layouts import LAYOUTS
from vsr.pipeline.seal import record_pieces, seal

pytestmark = pytest.mark.usefixtures("no_leaks")
_FILES = ("plate.png", "plate.support.png", "plate.confidence.png", "plate.png.vsr.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still of six frames; its input is ``plate.mp4`` beside it."""
    folder, clip = tmp_path_factory.mktemp("made"), film(6)
    path = encode(folder / "plate.mp4", np.stack(clip.frames), "-c:v", "libx264", "-crf", "20", "-threads", "1")
    vsr.still(path, folder / "plate.png", at=2, roi=clip.roi, scale=2, regularization=0.5)
    return folder / "plate.png"


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Still and input of its own, to be damaged at will, with a record that names them."""
    for name in (*_FILES, "plate.mp4"):
        shutil.copy(made.with_name(name), tmp_path / name)
    source = tmp_path / "plate.mp4"
    _change(tmp_path / "plate.png.vsr.json", lambda record: record["input"].update(path=str(source)))
    return tmp_path / "plate.png", source


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a record and seal it again, as a forger would."""
    record = json.loads(path.read_text())
    change(record)
    seal(record)
    path.write_text("".join(record_pieces(record)))


def _failed(output: Path, **options: Any) -> dict[str, str]:
    return {check.what: check.detail for check in vsr.verify(output, **options) if not check.passed}


def _flip(path: Path, place: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def test_made_again_byte_for_byte(copy: tuple[Path, Path]) -> None:
    checks = vsr.verify(copy[0], recompute=True)
    assert all(check.passed for check in checks), checks
    assert checks[-1].detail == "identical bytes, 3 files"


@pytest.mark.nightly
@pytest.mark.slow
def test_made_again_by_other_routines(copy: tuple[Path, Path]) -> None:
    """torch without vector instructions is another kind of processor: one code value passes, and is named."""
    environment = dict(os.environ, ATEN_CPU_CAPABILITY="default", PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "vsr", "verify", str(copy[0]), "--recompute", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    last = json.loads(done.stdout)["checks"][-1]
    assert last["passed"], last
    assert "identical" in last["detail"] or "largest difference 1 code value" in last["detail"]


def _nudged(output: Path, by: int) -> None:
    """One sample of the image raised by some code values, and the record made to fit."""
    with Image.open(output) as opened:
        opened.load()
    planes = tuple(plane.copy() for plane in read_samples(output))
    planes[1][30, 40] += by
    height, width = planes[0].shape
    spec = EncoderSpec(
        *(CODECS["png"], LAYOUTS["gbrp16le"], ColorSpec(6, 6, 0, full_range=True), width, height),
        *(Fraction(1, 25), Fraction(25), Fraction(1), None, "", 1),
    )
    output.write_bytes(encode_image(planes, spec))
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    _change(
        output.with_name("plate.png.vsr.json"), lambda record: record["output"]["files"].update({"plate.png": digest})
    )


@pytest.mark.slow
@pytest.mark.parametrize(("by", "elsewhere", "passes"), [(1, True, True), (2, True, False), (1, False, False)])
def test_differences_are_measured(copy: tuple[Path, Path], by: int, elsewhere: bool, passes: bool) -> None:
    """Even a record that was forged to fit a changed image does not survive being made again."""
    output, _ = copy
    _nudged(output, by)
    if elsewhere:
        _change(output.with_name("plate.png.vsr.json"), lambda record: record.update(device="sparc VIS"))
    assert not _failed(output)
    last = vsr.verify(output, recompute=True)[-1]
    assert last.passed is passes
    assert f"plate.png: largest difference {by} code value" in last.detail
    assert ("sparc VIS" in last.detail) is elsewhere
    words = {
        (1, True): "nothing to worry about",
        (2, True): "do not take it for the recorded",
        (1, False): "find out why",
    }
    assert words[by, elsewhere] in last.detail


def test_flipped_bits_are_named(copy: tuple[Path, Path]) -> None:
    output, source = copy
    for name in _FILES:
        path = output.with_name(name)
        whole = path.read_bytes()
        for place in (len(whole) // 3, len(whole) // 2):
            _flip(path, place)
            try:
                failed = _failed(output)
            except vsr.VerificationError as error:
                failed = {"record": str(error)}
            what = "record" if name.endswith(".json") else "output bytes"
            assert list(failed) == [what]
            assert name in failed[what]
            path.write_bytes(whole)
    _flip(source, source.stat().st_size // 2)
    failed = _failed(output)
    assert list(failed) == ["input"]
    assert "frames looked at differ: " in failed["input"]


def test_a_renamed_still_is_still_the_still(copy: tuple[Path, Path]) -> None:
    output, _ = copy
    for name in _FILES:
        output.with_name(name).rename(output.with_name(name.replace("plate", "exhibit 7")))
    assert not _failed(output.with_name("exhibit 7.png"))
