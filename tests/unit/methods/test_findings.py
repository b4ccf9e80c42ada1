"""Numbers found per frame, averaged, and put in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.methods.findings import Findings, Means, describe_findings, mean_findings
from vsr.observation.limits import supported_scale

FOUND = {"noise_sigma": 0.02, "frames_used": 5.0, "sample_spread_px": 0.3, "psf_sigma_px": 0.4}


def test_means_are_weighted() -> None:
    means = Means()
    means.add({"noise_sigma": 0.01, "frames_used": 2.0}, 3)
    means.add({"noise_sigma": 0.05, "frames_used": 6.0}, 1)
    assert means.read() == pytest.approx({"noise_sigma": 0.02, "frames_used": 3.0})


def test_a_name_counts_only_where_it_was_given() -> None:
    means = Means()
    means.add({"noise_sigma": 0.01})
    means.add({"frames_used": 6.0}, 9)
    assert means.read() == {"noise_sigma": 0.01, "frames_used": 6.0}
    assert Means().read() == {}


def test_means_have_six_digits() -> None:
    means = Means()
    means.add({"noise_sigma": 0.012345678901})
    assert means.read() == {"noise_sigma": 0.0123457}


def test_curves_are_what_every_image_has_and_what_changes() -> None:
    found = Findings()
    for number in range(4):
        sampled = {"lr_psnr_db": 40.0} if number == 0 else {}
        found.add({"frames_used": 3.14159265 + number, "psf_sigma_px": 0.4, **sampled})
    assert {name: list(values) for name, values in found.curves().items()} == {
        "frames_used": [3.142, 4.142, 5.142, 6.142]
    }
    assert found.means() == {"frames_used": 4.64159, "psf_sigma_px": 0.4, "lr_psnr_db": 40.0}
    assert Findings().curves() == {}


@given(st.lists(st.tuples(st.integers(1, 48), st.floats(0.002, 0.2)), min_size=1, max_size=8))
def test_the_mean_over_parts_is_the_mean_over_frames(parts: list[tuple[int, float]]) -> None:
    found = mean_findings((frames, {"noise_sigma": value}) for frames, value in parts)
    every = [value for frames, value in parts for _ in range(frames)]
    assert found["noise_sigma"] == pytest.approx(sum(every) / len(every), rel=1e-5)


def test_the_supported_scale_follows_from_the_means() -> None:
    found = mean_findings([(1, FOUND), (1, FOUND | {"frames_used": 7.0})])
    assert found["supported_scale"] == round(supported_scale(0.4, 0.02, 6.0), 2)


@pytest.mark.parametrize("missing", ["psf_sigma_px", "noise_sigma", "frames_used"])
def test_no_supported_scale_without_what_it_rests_on(missing: str) -> None:
    part = {name: value for name, value in FOUND.items() if name != missing}
    assert "supported_scale" not in mean_findings([(4, part)])


def test_nothing_found_is_nothing_said() -> None:
    assert mean_findings([]) == {}
    assert describe_findings({}) == []
    assert describe_findings({"noise_sigma": 0.01}) == []


def test_the_first_sentence_gives_the_numbers() -> None:
    lines = describe_findings(mean_findings([(1, FOUND)]))
    assert len(lines) == 1
    assert "5.0 frames" in lines[0]
    assert "noise 5.1 of 255" in lines[0]
    assert "0.40 px" in lines[0]


def test_a_still_camera_is_described() -> None:
    lines = describe_findings(mean_findings([(1, FOUND | {"sample_spread_px": 0.01})]))
    assert "stands still" in lines[1]


def test_frames_restored_on_their_own_are_described_whatever_the_camera_did() -> None:
    lines = describe_findings(mean_findings([(1, FOUND | {"frames_used": 1.1, "sample_spread_px": 0.0})]))
    assert len(lines) == 2
    assert "on their own" in lines[1]
