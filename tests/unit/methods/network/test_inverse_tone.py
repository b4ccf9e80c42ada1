"""Networks that make HDR as they enlarge: layouts, colours, light, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vsr.errors import UsageError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.media.light import pq_encode
from vsr.methods import Geometry, Prepared, find_method, restore_shot
from vsr.methods.network.inverse_tone import InverseToneOptions
from vsr.networks.fdan import FDAN
from vsr.networks.multi_purpose import MultiPurpose

BT709 = ColorSpec(1, 1, 1, False, "left")
GEOMETRY = Geometry(9, 6, 18, 12)


@pytest.fixture(params=["multi-purpose", "fdan"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What adds nothing: of the multi-purpose CNN bicubic codes are left, of FDAN a constant of its last layer."""
    module = MultiPurpose(2) if request.param == "multi-purpose" else FDAN(2, width=8, blocks=1)
    state = {name: torch.zeros_like(value) for name, value in module.state_dict().items()}
    if request.param == "fdan":
        state["upsampler.0.bias"] += 100 / 255  # grey of the codes of the frame below
        state["upsampler.0.bias"][4:] = 128 / 255
    save_file(state, tmp_path / "itm-x2.safetensors")
    return str(tmp_path / "itm-x2.safetensors")


def _frame(layout: str = "yuv420p", luma: int = 100) -> VideoFrame:
    codes = (luma, 128, 128)
    sizes = [LAYOUTS[layout].plane_size(number, 9, 6) for number in range(3)]
    planes = tuple(torch.full(size, code, dtype=torch.uint8) for size, code in zip(sizes, codes, strict=True))
    return VideoFrame(planes, LAYOUTS[layout], BT709, 3, 7, Fraction(1, 25))


def _prepared(weights: str, geometry: Geometry = GEOMETRY, **options: Any) -> Prepared[Any]:
    return find_method(weights).prepare(geometry, InverseToneOptions(precision="float32", **options), "cpu")


def test_codes_are_those_of_pq_in_ten_bits(weights: str) -> None:
    """Codes over 255 that stay what they are over 1023, as the networks were trained; greys stay grey."""
    prepared = _prepared(weights)
    assert prepared.capabilities.evidence == "generative"
    [made] = restore_shot(prepared, GEOMETRY, [_frame()])
    assert (made.layout.name, made.color) == ("yuv420p10le", ColorSpec(9, 16, 9, False, "left"))
    assert (made.ordinal, made.pts, made.height, made.width) == (3, 7, 12, 18)
    torch.testing.assert_close(made.planes[0], torch.full((12, 18), 1023 * 100 / 255), rtol=0, atol=0.05)
    chroma = 512 + 896 * (1023 * 128 / 255 - 512) / 896
    for plane in made.planes[1:]:
        torch.testing.assert_close(plane, torch.full((6, 9), chroma), rtol=0, atol=0.1)


def test_light_beyond_the_peak_is_cut(tmp_path: Path) -> None:
    state = {name: torch.zeros_like(value) for name, value in MultiPurpose(2).state_dict().items()}
    save_file(state, tmp_path / "itm-x2.safetensors")
    prepared = _prepared(str(tmp_path / "itm-x2.safetensors"), peak_nits=400.0)
    [made] = restore_shot(prepared, GEOMETRY, [_frame(luma=235)])
    expected = 64 + 876 * float(pq_encode(torch.tensor(400.0)))
    torch.testing.assert_close(made.planes[0], torch.full((12, 18), expected), rtol=0, atol=2.0)


def test_what_cannot_be_is_refused(weights: str) -> None:
    with pytest.raises(UsageError, match="this output is smaller than the input; use sdr-to-hdr"):
        _prepared(weights, Geometry(9, 6, 6, 4))
    with pytest.raises(UsageError, match="HDR is no enlarged SDR"):
        InverseToneOptions(consistent=True)
    with pytest.raises(UsageError, match="takes 200 to 10000"):
        InverseToneOptions(peak_nits=50.0)
