"""How far a frame's own samples lead, by what compression changed."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.methods.reconstruction.weighing import ANCHORED, EVEN, Leading, Weighing, suited
from vsr.networks import Source

WAYS = pytest.mark.parametrize("weighing", [ANCHORED, EVEN], ids=["anchored", "even"])
LEADS: tuple[Leading, ...] = get_args(Leading)
ERRORS = st.floats(0, 40)
DETAIL = 6.0  # codes of 255, as photographs have it


def _source(compression_codes: float, noise_codes: float = 0.5) -> Source:
    return Source(blur_px=0.1, noise_codes=noise_codes, compression_codes=compression_codes)


@WAYS
def test_recorded_frames_alone_lead_where_nothing_was_compressed(weighing: Weighing) -> None:
    for source in (None, _source(0.0), _source(1.0)):
        found = suited(weighing, source, DETAIL, "interpolation")
        assert found.own_confidence == weighing.own_confidence
        assert 0 < found.guess_weight < 0.15


@WAYS
@given(first=ERRORS, second=ERRORS)
def test_the_more_was_changed_the_less_weight_frames_have(weighing: Weighing, first: float, second: float) -> None:
    less, more = sorted((first, second))
    for leading in LEADS:
        before, after = (suited(weighing, _source(error), DETAIL, leading) for error in (less, more))
        assert after.own_confidence <= before.own_confidence
        assert after.guess_weight >= before.guess_weight
        assert after.own_confidence >= 1.0


@WAYS
def test_a_network_leads_anyway(weighing: Weighing) -> None:
    clean = suited(weighing, None, DETAIL, "frames")
    assert clean.guess_weight > 0
    assert clean.own_confidence == 2.0
    assert clean.is_even == weighing.is_even
    assert not clean.shares_guess


@pytest.mark.parametrize("leading", LEADS)
def test_an_error_counts_by_the_detail_there_is(leading: Leading) -> None:
    smooth, fine, finest = (suited(ANCHORED, _source(4.0), codes, leading).guess_weight for codes in (2.0, 8.0, 32.0))
    assert smooth > 2 * fine > 2 * finest


@given(noise=ERRORS, error=ERRORS)
def test_noise_counts_like_compression_where_a_network_leads(noise: float, error: float) -> None:
    for leading in ("frame", "frames"):
        noisy, compressed = (
            suited(ANCHORED, _source(error, noise), DETAIL, leading),
            _source(math.hypot(error, noise), 0.0),
        )
        assert noisy.guess_weight == pytest.approx(suited(ANCHORED, compressed, DETAIL, leading).guess_weight)
    noisy, still = (suited(ANCHORED, _source(error, codes), DETAIL, "interpolation") for codes in (noise, 0.0))
    assert noisy == still, "interpolation has all of the frame's noise"


@pytest.mark.parametrize("leading", LEADS)
def test_an_image_of_one_level_has_no_detail_and_a_finite_weight(leading: Leading) -> None:
    assert 0 < suited(ANCHORED, _source(4.0), 0.0, leading).guess_weight < 100
