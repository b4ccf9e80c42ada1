"""Frames left out of a window, and cameras that stand still."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vsr.registration import Registration, reject_frames, stands_still

GOOD = Registration(torch.eye(3, dtype=torch.float64), "affine", True, 0.99, 0.01, 0.01)
FAILED = replace(GOOD, converged=False, residual=math.inf, reason="it was dark")


def _window(*residuals: float) -> list[Registration]:
    return [replace(GOOD, residual=value) for value in residuals]


def test_the_odd_frame_goes() -> None:
    judged = reject_frames(_window(0.010, 0.011, 0.035, 0.012, 0.009), noise_floor=0.004)
    assert [frame.rejected for frame in judged] == [False, False, True, False, False]
    assert "0.035" in judged[2].reason
    assert all(not frame.reason for frame in judged if not frame.rejected)


def test_failed_registrations_go_with_their_reason_and_do_not_count() -> None:
    judged = reject_frames([FAILED, FAILED, FAILED, *_window(0.01, 0.03)], noise_floor=0.001)
    assert [frame.rejected for frame in judged] == [True, True, True, False, True]
    assert "it was dark" in judged[0].reason


def test_differences_within_the_noise_are_no_reason() -> None:
    residuals = _window(0.001, 0.001, 0.003)
    assert reject_frames(residuals, noise_floor=0.0)[2].rejected
    assert not reject_frames(residuals, noise_floor=0.002)[2].rejected


def test_residuals_that_are_no_numbers_go() -> None:
    judged = reject_frames(_window(0.01, math.nan, math.inf), noise_floor=0.001)
    assert [frame.rejected for frame in judged] == [False, True, True]


def test_empty_window_and_nothing_registered() -> None:
    assert reject_frames([], noise_floor=0.01) == []
    assert reject_frames([FAILED], noise_floor=0.01)[0].rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.floats(0, 0.1))
def test_a_frame_no_worse_than_a_kept_one_is_kept(residuals: list[float], noise_floor: float) -> None:
    judged = reject_frames(_window(*residuals), noise_floor=noise_floor)
    kept = [r for r, frame in zip(residuals, judged, strict=True) if not frame.rejected]
    assert kept
    assert all(frame.rejected or r <= max(kept) for r, frame in zip(residuals, judged, strict=True))
    assert min(kept) == min(residuals)


@pytest.mark.parametrize("motions", [[[0.0, 0.0]], [[0.02, -0.03], [0.01, 0.0]], [[3.0, -7.0], [1.98, 4.01]], []])
def test_still_modulo_whole_pixels(motions: list[list[float]]) -> None:
    found = stands_still(torch.tensor(motions).reshape(-1, 2))
    assert found.still
    assert "stands still" in found.reason


@pytest.mark.parametrize("motions", [[[0.5, 0.0]], [[0.0, 0.3], [0.0, 0.0]], [[2.0, 1.2]], [[-0.4, 0.0]]])
def test_fractions_of_a_pixel_are_motion(motions: list[list[float]]) -> None:
    found = stands_still(torch.tensor(motions))
    assert not found.still
    assert found.reason == ""


def test_tolerance_is_the_callers() -> None:
    assert not stands_still(torch.tensor([[0.1, 0.0]])).still
    assert stands_still(torch.tensor([[0.1, 0.0]]), tolerance_px=0.2).still


def test_flows_are_judged_by_their_majority() -> None:
    flows = torch.zeros(2, 2, 20, 30)
    flows[0, 0, :8] = 0.4  # something passes in front of a still camera
    assert stands_still(flows).still
    flows[0, 0, :14] = 0.4
    assert not stands_still(flows).still


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(K, 2\)"):
        stands_still(torch.zeros(3, 3))
