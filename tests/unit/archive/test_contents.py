"""Places in a bag stay inside it, however a source is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsr.archive.contents import _find_source


@pytest.mark.parametrize("said", ["..", "../%04d.png", "../scan/%04d.png"])
def test_a_sequence_named_from_a_folder_beside_it(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scan" / "inner").mkdir(parents=True)
    for number in range(2):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "scan" / f"{number:04d}.png")
    monkeypatch.chdir(tmp_path / "scan" / ("." if "scan" in said else "inner"))
    assert sorted(_find_source(Path("out.mkv"), said)) == ["source/scan/0000.png", "source/scan/0001.png"]
