"""Still images against Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vsr
from vsr.media.image_files import IMAGE_FILE_SUFFIXES, read_image

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
RNG = np.random.default_rng(7)


def _colour() -> np.ndarray:
    return RNG.integers(0, 256, (20, 33, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", sorted(IMAGE_FILE_SUFFIXES))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_as_pillow_reads_it(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"a ü%d{suffix}"
    Image.fromarray(_colour()).resize((66, 40)).convert(mode).save(path)
    assert np.array_equal(read_image(path), np.asarray(Image.open(path)))


def test_palettes_alpha_and_one_bit(tmp_path: Path) -> None:
    colour = Image.fromarray(_colour())
    colour.quantize(17).save(tmp_path / "palette.png")
    assert np.array_equal(read_image(tmp_path / "palette.png"), np.asarray(colour.quantize(17).convert("RGB")))
    transparent = Image.fromarray(np.dstack([np.asarray(colour), RNG.integers(0, 256, (20, 33)).astype(np.uint8)]))
    transparent.save(tmp_path / "alpha.png")
    assert np.array_equal(read_image(tmp_path / "alpha.png"), np.asarray(colour))
    grey = colour.convert("LA")
    grey.save(tmp_path / "la.png")
    read = read_image(tmp_path / "la.png")
    expected = np.asarray(grey)[:, :, 0]
    assert np.array_equal(read, expected if read.ndim == 2 else np.dstack([expected] * 3))
    colour.convert("1").save(tmp_path / "bits.png")
    assert np.array_equal(read_image(tmp_path / "bits.png"), np.asarray(colour.convert("1")) * np.uint8(255))


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (9, 12)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    read = read_image(tmp_path / "deep.png")
    assert read.dtype == np.uint16
    assert np.array_equal(read, deep)


def test_what_is_no_image(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.bmp").touch()
    for suffix in sorted(IMAGE_FILE_SUFFIXES):
        Image.fromarray(_colour()).save(tmp_path / f"whole{suffix}")
        whole = (tmp_path / f"whole{suffix}").read_bytes()
        (tmp_path / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
    for name in ("text.png", "empty.bmp", "missing.png", *(f"half{suffix}" for suffix in IMAGE_FILE_SUFFIXES)):
        with pytest.raises(vsr.InputError, match=name):
            read_image(tmp_path / name)
    assert capfd.readouterr() == ("", "")
    Image.fromarray(RNG.uniform(0, 1, (9, 9)).astype(np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(vsr.InputError, match="float32"):
        read_image(tmp_path / "float.tif")
