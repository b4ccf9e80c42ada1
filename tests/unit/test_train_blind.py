"""`examples/train_blind` refuses and leaves out before it trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_programs import example_module
from skimage.io import imsave
from videos import scene


def test_files_that_are_no_images_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    imsave(tmp_path / "one.png", scene(1, 48, 40)[0])
    (tmp_path / "torn.png").write_bytes((tmp_path / "one.png").read_bytes()[:200])
    with example_module("train_blind", "train") as train:
        [image] = train.read_images([tmp_path], 32)
    assert image.shape in ((3, 40, 48), (3, 48, 40))
    assert "left out, no images that can be read: 3, the first" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--steps", "--batch", "--patch"])
def test_counts_below_one_are_refused(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--network", "ikc", "--images", str(tmp_path), "--out", str(tmp_path / "o.safetensors")]
    with example_module("train_blind", "train") as train, pytest.raises(SystemExit):
        train.main([*words, option, "0"])
    assert f"{option}: is 0; give 1 or more" in capsys.readouterr().err
