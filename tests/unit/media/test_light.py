"""Light against published values: SMPTE ST 2084, ITU-R BT.2087, BT.2408, IEC 61966-2-1."""

from __future__ import annotations

import pytest
import torch

from vsr.media.light import pq_decode, pq_encode, primaries_matrix, sdr_light

CODES = {0.0: 64, 0.1: 119, 1.0: 195, 10.0: 327, 100.0: 509, 203.0: 573, 1000.0: 723, 10_000.0: 940}


@pytest.mark.parametrize(("nits", "code"), CODES.items())
def test_codes_of_pq(nits: float, code: int) -> None:
    """10 bits, video range; BT.2408 has 58 % for 203 cd/m² and 75 % for 1000."""
    signal = pq_encode(torch.tensor(nits, dtype=torch.float64))
    assert round(64 + 876 * float(signal)) == pytest.approx(code, abs=1)
    assert float(pq_decode(signal)) == pytest.approx(nits, rel=1e-6, abs=1e-6)


def test_primaries_of_bt709_in_bt2020() -> None:
    """ITU-R BT.2087, with four digits; white stays."""
    expected = [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    matrix = primaries_matrix(1, 9)
    torch.testing.assert_close(matrix, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=6e-5)
    for source in (1, 5, 6, 12):
        torch.testing.assert_close(primaries_matrix(source, 9).sum(1), torch.ones(3, dtype=torch.float64))


def test_light_of_displays() -> None:
    half = torch.tensor([-0.1, 0.0, 0.5, 1.0])
    assert sdr_light(half, 1).tolist() == pytest.approx([0, 0, 0.5**2.4, 1])
    assert sdr_light(half, 4).tolist() == pytest.approx([0, 0, 0.5**2.2, 1])
    assert sdr_light(half, 13).tolist() == pytest.approx([0, 0, 0.21404, 1], abs=1e-5)
