"""Conditioned networks: the blur and noise they get, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from small_networks import small_network
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, restore_shot
from vsr.methods.network.conditioned import ConditionedOptions, PreparedConditioned, prepare_conditioned_network
from vsr.networks.srmd import SRMD

RGB = PixelLayout("gbrp", "rgb", 8)


def _frame(width: int, height: int, ordinal: int = 0) -> VideoFrame:
    generator = torch.Generator().manual_seed(ordinal)
    planes = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    return VideoFrame(tuple(planes), RGB, ColorSpec(), ordinal, ordinal, Fraction(1, 25))


def _prepare(geometry: Geometry, **options: Any) -> PreparedConditioned:
    path = str(small_network("conditioned", strength=1.0))
    return prepare_conditioned_network(path, geometry, ConditionedOptions(**options), "cpu")


def _restored(geometry: Geometry, **options: Any) -> VideoFrame:
    frame = _frame(geometry.width, geometry.height)
    return next(restore_shot(_prepare(geometry, **options), geometry, [frame]))


def test_given_conditions_are_recorded_and_change_the_image() -> None:
    geometry = Geometry(40, 36, 80, 72)
    one, other = (_restored(geometry, blur_sigma_px=0.5, noise_codes=noise) for noise in (0.0, 60.0))
    assert (one.findings["condition_blur_px"], one.findings["condition_noise_codes"]) == (0.5, 0.0)
    assert other.findings["condition_noise_codes"] == 60.0
    assert not torch.equal(one.planes[0], other.planes[0])


def test_what_is_left_open_is_estimated_and_cut_off_at_what_the_network_knows() -> None:
    """White noise from black to white: more than any network knows."""
    found = _restored(Geometry(64, 48, 128, 96), blur_sigma_px=0.25).findings
    assert found["condition_blur_px"] == 0.25
    assert found["condition_noise_codes"] == min(75.0, found["source_noise_codes"]) > 0


def test_frames_are_learnt_from_only_where_something_is_open() -> None:
    geometry = Geometry(40, 36, 80, 72)
    assert _prepare(geometry, blur_sigma_px=0.0).capabilities.adapt_frames > 0
    given = _prepare(geometry, blur_sigma_px=0.0, noise_codes=0.0)
    assert given.capabilities.adapt_frames == 0
    assert given.key()["estimator"] is None
    assert _prepare(geometry).key()["estimator"] is not None


def test_small_frames_tell_nothing() -> None:
    found = _restored(Geometry(20, 16, 40, 32)).findings
    assert (found["condition_blur_px"], found["condition_noise_codes"]) == (0.0, 0.0)
    assert "source_blur_px" not in found


def test_later_passes_get_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, float, float]] = []
    conditions = SRMD.conditions

    def watched(self: SRMD, blur_px: float, noise_codes: float) -> Tensor:
        calls.append((self.scale, blur_px, noise_codes))
        return conditions(self, blur_px, noise_codes)

    geometry = Geometry(24, 20, 96, 80)
    prepared = _prepare(geometry, blur_sigma_px=0.5, noise_codes=7.0)
    monkeypatch.setattr(SRMD, "conditions", watched)
    next(restore_shot(prepared, geometry, [_frame(24, 20)]))
    assert calls == [(2, 0.5, 7.0), (2, 0.0, 0.0)]


@pytest.mark.parametrize("size", [(55, 49), (30, 27)], ids=["x1.37", "x0.75"])
def test_any_scale(size: tuple[int, int]) -> None:
    """×1.37 is ×2, shrunk; for less than ×1 the picture alone is."""
    geometry = Geometry(40, 36, *size)
    result = _restored(geometry, blur_sigma_px=0.0, noise_codes=0.0)
    assert all(tuple(plane.shape) == size[::-1] for plane in result.planes)


def test_tiles_do_not_show() -> None:
    """Context and all: maps are constant, so a tile gets the conditions of the whole."""
    geometry = Geometry(70, 50, 140, 100)
    whole, tiled = (_restored(geometry, noise_codes=20.0, blur_sigma_px=0.5, tile_px=tile) for tile in (None, 16))
    for one, other in zip(whole.planes, tiled.planes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"blur_sigma_px": 1.5}, "knows blur up to 1 input pixels; blur_sigma_px is 1.5"),
        ({"noise_codes": 80.0}, "knows noise up to 75 of 255; noise_codes is 80"),
        ({"noise_codes": -1.0}, "noise_codes is -1.0; allowed are 0"),
        ({"blur_sigma_px": float("nan")}, "blur_sigma_px is nan; allowed are 0"),
        ({"consistent": True}, "set blur_sigma_px=0"),
    ],
)
def test_what_the_network_does_not_know_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        _prepare(Geometry(40, 36, 80, 72), **options)


def test_prepared_for_a_gpu_counts_batches() -> None:
    prepared = _prepare(Geometry(36, 24, 72, 48))
    assert replace(prepared, device="cuda:0").capabilities.chain_frames > 1
