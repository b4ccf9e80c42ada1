"""The suite of ordinary footage: which cells it has, that it makes them as it says, and how it measures grids."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vsr.errors import InputError, UsageError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
CLIPS = [
    "BasketballPass",
    "davis_bmx-trees",
    "davis_breakdance",
    "davis_car-roundabout",
    "davis_cows",
    "davis_dog",
    "davis_horsejump-high",
    "davis_kite-surf",
    "davis_scooter-black",
    "davis_soapbox",
    "longharbour_v0s1",
    "longharbour_v0s2",
    "vimeo_00002_0006",
    "vimeo_00002_0007",
]
HELD_BACK = [
    "davis_breakdance",
    "davis_car-roundabout",
    "davis_dog",
    "davis_horsejump-high",
    "davis_kite-surf",
    "davis_scooter-black",
    "davis_soapbox",
    "longharbour_v0s1",
    "vimeo_00002_0007",
]


def part(name: str) -> Any:
    """A module of the suite."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(f"footage.{name}")
    finally:
        sys.path.remove(str(BENCHMARKS))


cells, movements, recording, scores, sources, tables = (
    part(name) for name in ("cells", "movements", "recording", "scores", "sources", "tables")
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder laid out as the suite wants it; nothing in it can be decoded."""
    for folder, names in {
        "clips": [f"{name}.mkv" for name in CLIPS],
        "images/DIV2K_half": [f"{number:04}.webp" for number in range(5)],
        "images/Set14": [f"{name}.bmp" for name in ("baboon", "barbara", "bridge", "comic")],
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).write_bytes(b"")
    return tmp_path


def every(data: Path) -> list[Any]:
    return list(cells.all_cells(sources.find_sources(data), list(recording.TREATMENTS), cells.SCALES))


def scene(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Smooth random luma that drifts to the right."""
    spectrum = np.fft.rfft2(np.random.default_rng(3).normal(size=(height, width + count)))
    far = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width + count)[None])
    image = np.fft.irfft2(spectrum * np.exp(-((far / 0.08) ** 2)), (height, width + count))
    luma = np.clip(126 + 35 * image / image.std(), 16, 235).astype(np.uint8)
    return np.stack([luma[:, number : number + width] for number in range(count)])


def test_held_back_sources_are_never_in_the_part_for_tuning(data: Path) -> None:
    found = sources.find_sources(data)
    test = {one.name for one in found if one.part == "test"}
    assert test == {*HELD_BACK, *(one.name for one in found if one.name.startswith("Set14"))}
    assert {one.name for one in found} - test == {
        *(set(CLIPS) - set(HELD_BACK)),
        *(one.name for one in found if one.name.startswith("DIV2K_half")),
    }
    assert {one.name for one in found if one.camera == "fixed"} == {
        "BasketballPass",
        "davis_breakdance",
        "DIV2K_half_0002_tripod",
        "Set14_bridge_tripod",
    }


def test_a_choice_is_the_same_every_time_and_grows(data: Path) -> None:
    chosen = cells.choose(every(data), 90)
    assert [cell.name for cell in cells.choose(every(data)[::-1], 90)] == [cell.name for cell in chosen]
    assert [cell.name for cell in cells.choose(every(data), 31)] == [cell.name for cell in chosen][:31]
    assert len({cell.name for cell in chosen}) == 90


def test_a_choice_is_even(data: Path) -> None:
    chosen = cells.choose(every(data), 90)
    assert set(Counter(cell.group for cell in chosen).values()) == {3}
    assert {"clip fixed", "clip moving", "image fixed", "image moving"} == {cell.source.stratum for cell in chosen}
    shrinkings = Counter(cell.shrinking for cell in chosen)
    assert min(shrinkings.values()) >= 15
    assert len(cells.choose(every(data)[:7], 90)) == 7


def test_a_folder_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="VSR_TEST_DATA"):
        sources.find_sources(tmp_path)


@pytest.mark.parametrize("name", list(movements.MOVEMENTS))
def test_images_move_as_they_should(name: str) -> None:
    image = scene(1, 160, 200)[0]
    made = [movements.MOVEMENTS[name](image, 6, (120, 144), np.random.default_rng(1)) for _ in range(2)]
    assert made[0].shape == (6, 120, 144)
    assert np.array_equal(*made)
    still = (made[0] == made[0][:1]).all(0).mean()
    assert still > 0.5 if name == "tripod" else still < 0.1
    assert not np.array_equal(made[0][0], made[0][-1])


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", list(recording.SHRINKING))
def test_small_samples_sit_at_the_middle_of_their_blocks(name: str, scale: int) -> None:
    ramp = torch.arange(144.0)[None, None].expand(1, 96, -1) + 2 * torch.arange(96.0)[None, :, None]
    small = recording.SHRINKING[name](ramp, scale)
    middles = (torch.arange(144 // scale) + 0.5) * scale - 0.5, (torch.arange(96 // scale) + 0.5) * scale - 0.5
    expected = middles[0][None] + 2 * middles[1][:, None]
    assert small.shape == (1, 96 // scale, 144 // scale)
    assert float((small[0] - expected)[8:-8, 8:-8].abs().max()) < 1e-3


def test_what_happened_loses_more_and_more_and_moves_nothing() -> None:
    hr = scene(3, 96, 144)
    clean = recording.record(hr, "area", "clean", 2, 7).astype(float)
    errors = {}
    for name in recording.TREATMENTS:
        made = recording.record(hr, "area", name, 2, 7)
        assert made.shape == clean.shape
        assert np.array_equal(made, recording.record(hr, "area", name, 2, 7))
        errors[name] = float(np.sqrt(np.mean((made - clean) ** 2)))
        assert abs(np.polyfit(clean.ravel(), made.ravel().astype(float), 1)[0] - 1) < 0.1  # no range is converted
    assert errors["clean"] == 0
    assert errors["crf18"] < errors["crf23"] < errors["crf28"] < errors["crf32"] < 12
    assert errors["crf23"] < errors["noise3crf23"] < errors["noise8crf23"]
    assert 0 < errors["mpeg2"] < 8
    assert 0 < errors["mjpeg"] < 8


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_grid_of_enlarged_pixels_shows(scale: int) -> None:
    noise = torch.rand((4, 240, 240), generator=torch.Generator().manual_seed(0)) * 255
    assert scores.grid_ratio(noise, scale) == pytest.approx(1.0, abs=0.02)
    repeated = noise.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    assert scores.grid_ratio(repeated, scale) == math.inf
    assert scores.grid_ratio(repeated + 0.2 * noise.repeat(1, scale, scale), scale) > 1.5
    assert scores.grid_ratio(torch.full((2, 24, 24), 7.0), scale) == 1.0


def test_methods_take_settings() -> None:
    assert scores.parse_method("multiframe:best").settings == {"quality": "best"}
    method = scores.parse_method("multiframe:quality=draft,radius_frames=1")
    assert (method.name, method.settings) == ("multiframe", {"quality": "draft", "radius_frames": 1})
    with pytest.raises(UsageError, match="radius_frames"):
        scores.parse_method("multiframe:radius_frame=1")
    with pytest.raises(UsageError, match="radius_frames"):
        scores.parse_method("multiframe:radius_frames=99")
    assert [scores.parse_method("real").has(scale) for scale in (2, 3)] == [True, False]
    assert scores.parse_method("lanczos").has(3)


def test_scores_and_rows_come_back_from_a_file(tmp_path: Path) -> None:
    hr = scene(3, 96, 144)
    small = recording.record(hr, "bicubic", "clean", 2, 0)
    rows = []
    for name in ("bicubic", "lanczos"):
        made, seconds = scores.restored(scores.parse_method(name), small, 2)
        score = scores.Judge(3, None).score(made, torch.from_numpy(hr), 2, seconds)
        assert score.psnr_y > 35
        assert 0.9 < score.ssim_y <= 1
        rows.append(
            tables.Row(
                *("a/bicubic/clean/x2", name, "a", "tune", "moving", "bicubic", "clean", 2, "3 of whole", 3, 144, 96),
                **vars(score),
            )
        )
    path = tmp_path / "rows.csv"
    for row in rows:
        tables.append_rows(path, [row])
    assert tables.read_rows(path) == rows
    assert len(path.read_text().splitlines()) == 3
    seen = [dataclasses.replace(row, lpips=0.1) for row in rows], [dataclasses.replace(row, vmaf=90.0) for row in rows]
    for more in seen:
        tables.append_rows(path, more)
    assert tables.read_rows(path) == [dataclasses.replace(row, lpips=0.1, vmaf=90.0) for row in rows]
    text = tables.report(tables.Results(rows, ["bicubic", "lanczos"]))
    assert f"| clean | 1 | {rows[0].psnr_y:.2f} | {rows[1].psnr_y:.2f} |" in text
    page = tmp_path / "page.md"
    page.write_text("# Before\n<!-- footage x2 -->\nold\n<!-- /footage x2 -->\nAfter\n<!-- footage x3 -->\nkept\n")
    tables.write_into(page, tables.Results(rows, ["bicubic", "lanczos"]), "the command")
    assert page.read_text().startswith("# Before\n<!-- footage x2 -->\n`the command`\n\n| PSNR of Y, dB |")
    assert page.read_text().endswith("|\n<!-- /footage x2 -->\nAfter\n<!-- footage x3 -->\nkept\n")
    larger = tables.Results([dataclasses.replace(row, scale=3) for row in rows], ["bicubic", "lanczos"])
    with pytest.raises(InputError, match="/footage x3"):
        tables.write_into(page, larger, "the command")
    path.write_text("cell,method\n")
    with pytest.raises(InputError, match="name another file"):
        tables.read_rows(path)
