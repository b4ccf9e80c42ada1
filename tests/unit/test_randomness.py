"""Counted noise: the published generator, a plain Python twin, and what standard normal numbers are known for."""

from __future__ import annotations

import hashlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.randomness import NoiseField, philox

FIELD = NoiseField(20, 7)
WHOLE = FIELD.window(3, 0, 0, 40, 60)
KNOWN = {  # kat_vectors of Random123, the generator's own tests: four words of counter, two of key, four of result
    (0, 0, 0, 0, 0, 0): (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    (0xFFFFFFFF,) * 6: (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0): (
        0xD16CFE09,
        0x94FDCCEB,
        0x5001E420,
        0x24126EA1,
    ),
}


def _words(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 in whole numbers of Python."""
    (c0, c1, c2, c3), (k0, k1), word = counter, key, 0xFFFFFFFF
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & word, (first >> 32) ^ c3 ^ k1, first & word
        k0, k1 = (k0 + 0x9E3779B9) & word, (k1 + 0xBB67AE85) & word
    return [c0, c1, c2, c3]


def _number(field: NoiseField, channel: int, row: int, column: int) -> float:
    """One number of ``field``, by the C library's functions."""
    counter = [column // 4, row, channel + (field.number << 16), field.ordinal]
    words = _words(counter, [field.seed & 0xFFFFFFFF, field.seed >> 32])
    first, second = words[column % 4 // 2 * 2 :][:2]
    radius = math.sqrt(-2 * math.log((first + 0.5) / 2**32))
    quarters, turn = second >> 30, ((second & (2**30 - 1)) + 0.5) / 2**30 - 0.5
    angle = (quarters + turn) * math.pi / 2
    if quarters & 1:  # cosine and sine of a quarter more, as the module takes them
        angle = (quarters - 1 + turn) * math.pi / 2
        return radius * (math.sin(angle) if column % 2 == 0 else math.cos(angle))
    return radius * (math.cos(angle) if column % 2 == 0 else -math.sin(angle))


@pytest.mark.parametrize("words", KNOWN)
def test_generator_is_the_published_one(words: tuple[int, int, int, int, int, int]) -> None:
    c0, c1, c2, c3, k0, k1 = words
    found = philox((torch.tensor(c0), torch.tensor(c1), torch.tensor(c2), torch.tensor(c3)), (k0, k1))
    assert tuple(int(word) for word in found) == KNOWN[words]


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
    st.integers(0, 5),
    st.integers(0, 2**31 - 9),
    st.integers(0, 2**31 - 9),
)
@settings(max_examples=60, deadline=None)
def test_numbers_are_those_of_a_plain_twin(
    seed: int, ordinal: int, number: int, channel: int, top: int, left: int
) -> None:
    field = NoiseField(seed, ordinal, number)
    window = field.window(channel + 1, top, left, 2, 5)[channel]
    twin = [[_number(field, channel, top + row, left + column) for column in range(5)] for row in range(2)]
    torch.testing.assert_close(window.double(), torch.tensor(twin, dtype=torch.float64), rtol=2**-23, atol=1e-9)


def test_numbers_never_change() -> None:
    """Taken from this module on 30 November 2026; outputs made before would be made otherwise with others."""
    expected = torch.tensor([_number(FIELD, 2, 39, column) for column in range(60)])
    torch.testing.assert_close(WHOLE[2, 39], expected)
    digest = hashlib.sha256(NoiseField(2**63 + 5, 123456, 3).window(2, 5, 3, 33, 70).numpy().tobytes()).hexdigest()
    assert digest == "c35c3328a43ae9c0bf3c8db61c15875a16c0cb98d43b017f45116d4a247cd87e"


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_windows_are_parts_of_the_whole(data: st.DataObject) -> None:
    top, left = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 60))
    height, width = data.draw(st.integers(0, 40 - top)), data.draw(st.integers(0, 60 - left))
    channels = data.draw(st.integers(0, 3))
    window = FIELD.window(channels, top, left, height, width)
    assert torch.equal(window, WHOLE[:channels, top : top + height, left : left + width])


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsr.randomness._CHUNK", 31)
    assert torch.equal(FIELD.window(3, 0, 0, 40, 60), WHOLE)


def _large(field: NoiseField) -> torch.Tensor:
    return field.window(4, 0, 0, 500, 500).double()


def test_numbers_are_standard_normal() -> None:
    """Moments and shares below thresholds, within five standard errors of a million numbers."""
    noise = _large(NoiseField(3, 0)).flatten()
    count = noise.numel()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(float((noise**power).mean()) - moment) < 5 * (variance / count) ** 0.5
    for threshold in (-3.0, -2.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0, 3.0):
        share = 0.5 * math.erfc(-threshold / 2**0.5)
        found = float((noise < threshold).double().mean())
        assert abs(found - share) < 5 * (share * (1 - share) / count) ** 0.5
    assert 4.5 < float(noise.abs().max()) < 6.8


def test_everything_that_tells_fields_apart_gives_other_noise() -> None:
    """Seeds, frames, numbers, channels; neighbours in a row and in a column, and their squares: no correlation."""
    noise = _large(NoiseField(3, 0))
    others = {
        "seed": _large(NoiseField(4, 0)),
        "high seed": _large(NoiseField(3 + (1 << 32), 0)),
        "frame": _large(NoiseField(3, 1)),
        "number": _large(NoiseField(3, 0, 1)),
        "channel": noise.roll(1, 0),
        "row": noise.roll(1, 1),
        "column": noise.roll(1, 2),
        "lane": noise.roll(2, 2),
        "transposed": noise.transpose(1, 2),
    }
    for name, other in others.items():
        for power in (1, 2):
            one, two = (value**power - (value**power).mean() for value in (noise, other))
            correlation = float((one * two).mean() / (one.std() * two.std()))
            spread = 2**0.5 if name == "transposed" else 1  # pairs count twice
            assert abs(correlation) < (5 if name != "transposed" else 7) * spread / noise.numel() ** 0.5, (name, power)


@pytest.mark.parametrize("place", [(1, -1, 0, 4, 4), (1, 0, -1, 4, 4), (1, 0, 0, -1, 4), (1, 0, 2**31 - 2, 4, 4)])
def test_no_noise_outside_the_field(place: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="window"):
        FIELD.window(*place)


@pytest.mark.parametrize("which", [(-1, 0, 0), (1 << 64, 0, 0), (0, -1, 0), (0, 1 << 32, 0), (0, 0, 1 << 16)])
def test_fields_have_numbers_that_fit(which: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        NoiseField(*which)
