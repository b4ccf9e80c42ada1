"""Quality levels: more work at higher ones, and windows that fit the scale."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.methods.reconstruction.weighing import LEVELS, Quality

SCALES = st.floats(1, 8)


def test_every_quality_has_its_level_from_quick_to_slow() -> None:
    assert tuple(LEVELS) == get_args(Quality) == ("draft", "standard", "best")


def test_higher_levels_work_no_less() -> None:
    for lower, higher in pairwise(LEVELS.values()):
        assert lower.cold_rounds <= higher.cold_rounds
        assert lower.warm_rounds <= higher.warm_rounds
        for ratio, steps in enumerate(lower.cg_iterations):
            assert lower.cold_rounds * steps <= higher.cold_rounds * higher.cg_iterations[ratio]
            assert lower.warm_rounds * steps <= higher.warm_rounds * higher.cg_iterations[ratio]
        assert lower.refines_motion <= higher.refines_motion
        assert lower.most_radius < higher.most_radius


@pytest.mark.parametrize("name", LEVELS)
def test_a_warm_start_saves_work(name: Quality) -> None:
    assert 1 <= LEVELS[name].warm_rounds < LEVELS[name].cold_rounds


@given(st.sampled_from(list(LEVELS)), SCALES, SCALES)
def test_the_window_grows_with_the_scale_up_to_its_most(name: Quality, one: float, other: float) -> None:
    level, (smaller, larger) = LEVELS[name], sorted((one, other))
    assert 2 <= level.radius_frames(smaller) <= level.radius_frames(larger) <= level.most_radius


def test_standard_windows() -> None:
    assert [LEVELS["standard"].radius_frames(scale) for scale in (1, 2, 3, 4)] == [2, 3, 7, 7]
