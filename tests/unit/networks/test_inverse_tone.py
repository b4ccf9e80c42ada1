"""The authors' multi-purpose CNN, where its weights are at hand: what it makes of greys, and what it counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from vsr.media.light import pq_decode
from vsr.networks.inverse_tone import read_inverse_tone

_FOLDER = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.parametrize(("scale", "white"), [(2, 844), (4, 927)])
def test_greys_stay_grey_and_white_becomes_bright(scale: int, white: int) -> None:
    """Codes of 8 bits in, of 10 bits out, in video range: else black were grey, and grey coloured."""
    path = _FOLDER / "weights" / "MultipurposeCNN_ITM" / f"Multi-purpose_CNN_x{scale}.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is not there; set VSR_TEST_DATA")
    network, _ = read_inverse_tone(path)
    nits = []
    for grey in (16, 110, 160, 200, 235):
        image = torch.tensor([grey, 128, 128]).view(1, 3, 1, 1).expand(1, 3, 17, 17) / 255
        y, *chroma = (1023 * network(image)[0, :, 8, 8]).tolist()
        assert all(abs(one - 512) < 12 for one in chroma)
        nits.append(float(pq_decode(torch.tensor((y - 64) / 876))))
    assert nits == sorted(nits)
    assert nits[0] < 0.01
    assert 30 < nits[1] < 45
    assert nits[-1] == pytest.approx(white, rel=0.02)
