"""One operator for what a camera records: the literature's degradations, on any plane of a frame."""

from __future__ import annotations

import pytest
import torch

from vsr.frames import PixelLayout
from vsr.observation import DEGRADATIONS, Recording, resample, simulate


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize(("scale", "size"), [(2, (41, 64)), (3, (60, 33)), (4, (64, 81)), (1.5, (60, 33)), (1, (9, 8))])
def test_it_is_the_degradation_of_the_literature(name: str, scale: float, size: tuple[int, int]) -> None:
    image = torch.rand(2, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    expected = simulate(image, name, scale)
    recording = Recording(size, (int(expected.shape[1]), int(expected.shape[2])), name, (scale, scale))
    torch.testing.assert_close(recording.A(image), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["BI", "camera"])
@pytest.mark.parametrize("location", ["left", "topleft", "bottom", "center"])
def test_chroma_is_recorded_where_it_sits(name: str, location: str) -> None:
    """A slope keeps its value at every place, so samples tell where they were taken."""
    layout = PixelLayout("yuv420p", "yuv", 8, 1, 1)
    siting_x, siting_y = layout.siting_offset(location)  # type: ignore[arg-type]
    size, small = (80, 120), (20, 30)
    y = torch.arange(size[0], dtype=torch.float64)[:, None] + 0.5 + siting_y
    x = torch.arange(size[1], dtype=torch.float64) + 0.5 + siting_x
    slope = 3 * y + 2 * x  # of the place, in fine samples
    recorded = Recording(size, small, name, (4.0, 4.0), (siting_y, siting_x)).A(slope)
    expected = 3 * 4 * (torch.arange(small[0])[:, None] + 0.5 + siting_y) + 2 * 4 * (
        torch.arange(small[1]) + 0.5 + siting_x
    )
    torch.testing.assert_close(recorded[5:-5, 5:-5], expected[5:-5, 5:-5].double(), rtol=0, atol=1e-9)


def test_enlarging_and_recording_again_gives_the_input_back_where_it_is_smooth() -> None:
    y, x = torch.arange(24.0)[:, None], torch.arange(30.0)
    small = 100 + 50 * torch.sin(y / 5) * torch.cos(x / 6)
    offset = (0.0, -0.25)
    large = resample(small, (48, 60), kernel="bicubic", offset_yx=offset)
    again = Recording((48, 60), (24, 30), "BI", (2.0, 2.0), offset).A(large)
    assert float((again - small)[3:-3, 3:-3].abs().max()) < 0.2


def test_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="no degradation 'BX'"):
        Recording((8, 8), (4, 4), "BX", (2.0, 2.0))
    with pytest.raises(ValueError, match="from 1"):
        Recording((4, 4), (8, 8), "BI", (0.5, 0.5))
    with pytest.raises(ValueError, match="cannot record"):
        Recording((8, 8), (0, 4), "BI", (2.0, 2.0))
