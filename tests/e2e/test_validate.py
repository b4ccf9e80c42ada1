"""The scene against plain sums, checks that must fail where something is wrong, and files of findings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from program import Run

from vsr import api
from vsr.errors import InputError, MachineError
from vsr.validation import CHECKS, Finding, compare_reports, read_report, report, validate, write_report
from vsr.validation.checks import Check
from vsr.validation.scene import Scene

Call = Callable[..., Run]


def test_a_pixel_is_the_mean_over_its_square() -> None:
    scene = Scene(3)
    fine = scene.image(256, 256, pixel=1 / 16)
    assert np.allclose(fine.reshape(16, 16, 16, 16).mean((1, 3)), scene.image(16, 16), atol=1e-9)
    moved = scene.image(16, 16, shift_yx=(2.0, -1.0))
    assert np.allclose(moved[:-2, 1:], scene.image(16, 16)[2:, :-1])


def test_the_lens_is_a_gaussian() -> None:
    from scipy.ndimage import gaussian_filter

    scene = Scene(3)
    blurred = gaussian_filter(scene.image(512, 512, pixel=1 / 8), 0.7 * 8)
    assert np.allclose(
        blurred[128:-128, 128:-128], scene.image(512, 512, pixel=1 / 8, lens_sigma=0.7)[128:-128, 128:-128], atol=0.05
    )


def test_tampering_that_nobody_notices_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = CHECKS["tampering"]
    monkeypatch.setattr(api, "verify", lambda *_, **__: [])
    assert not check.is_passed(check.run(tmp_path).value)


def test_an_input_that_is_written_to_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = api.upscale

    def careless(source: Path, output: Path, **options: Any) -> Any:
        made = real(source, output, **options)
        Path(source).touch()
        return made

    monkeypatch.setattr(api, "upscale", careless)
    check = CHECKS["input-untouched"]
    assert not check.is_passed(check.run(tmp_path).value)


def test_motion_that_is_known(tmp_path: Path) -> None:
    check = CHECKS["motion"]
    assert check.is_passed(check.run(tmp_path).value)
    assert not check.is_passed(float("nan"))


def _two(monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    checks = {
        "even": Check("a claim", lambda folder: Finding(0.0, "abc"), 0, "things", "at most"),
        "more": Check("another", lambda folder: Finding(value), 0.5, "dB", "at least"),
    }
    monkeypatch.setattr(report, "CHECKS", checks)


def test_files_of_findings_and_their_differences(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _two(monkeypatch, 2.0)
    done = call("validate", "-o", tmp_path / "good.json")
    assert (done.code, "2 of 2 passed" in done.out) == (0, True), done.err
    _two(monkeypatch, 0.2)
    done = call("validate", "-o", tmp_path / "bad.json")
    assert (done.code, "FAIL  more" in done.out) == (5, True)
    good, bad = (read_report(tmp_path / f"{name}.json") for name in ("good", "bad"))
    assert list(compare_reports(good, good)) == []
    assert dict(compare_reports(good, bad)) == {"more": "passed, and fails now; 2 → 0.2 dB"}
    other = copy.deepcopy(good)
    other["versions"]["torch"], other["checks"][0]["digest"] = "0", "def"
    other["checks"].pop()
    found = dict(compare_reports(good, other))
    assert found["torch"].endswith(" → 0")
    assert (found["even"], found["more"]) == ("other samples", "only in the first")
    done = call("validate", "--compare", tmp_path / "good.json", tmp_path / "bad.json")
    assert (done.code, "passed, and fails now" in done.out) == (5, True)
    done = call("validate", "--compare", tmp_path / "good.json", tmp_path / "good.json")
    assert (done.code, "both found the same" in done.out) == (0, True)


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"format": 2, "checks": []}')):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=str(tmp_path / name)):
            read_report(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "none")
    with pytest.raises(MachineError, match="cannot write"):
        write_report({}, tmp_path / "none" / "a.json")


@pytest.mark.nightly
def test_everything_passes() -> None:
    found = validate()
    assert found["passed"], [row for row in found["checks"] if not row["passed"]]
    assert [row["name"] for row in found["checks"]] == list(CHECKS)


def test_a_check_that_breaks_is_a_row_and_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(folder: Path) -> Finding:
        raise MachineError("no room")

    checks = {
        "broken": Check("it works", breaks, 0, "failures", "at most"),
        "sound": Check("it works", lambda folder: Finding(0.0), 0, "failures", "at most"),
    }
    monkeypatch.setattr(report, "CHECKS", checks)
    found = validate()
    assert [(row["passed"], row["value"], row["error"]) for row in found["checks"]] == [
        (False, None, "no room"),
        (True, 0.0, ""),
    ]
    assert not found["passed"]
    before = copy.deepcopy(found)
    before["checks"][0] |= {"passed": True, "value": 0.0}
    assert dict(compare_reports(before, found)) == {"broken": "passed, and fails now; 0 → nothing failures"}
    assert report.newly_fails(before, found)
    assert not report.newly_fails(found, found)


def test_reports_that_lack_something_and_outputs_that_are_there_are_refused(call: Call, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text('{"format": 1, "checks": []}')
    with pytest.raises(InputError, match="is no report of vsr validate"):
        read_report(tmp_path / "old.json")
    assert "exists; name another file" in call("validate", "-o", tmp_path / "old.json").one_line()
    assert "is in no folder that is there" in call("validate", "-o", tmp_path / "none" / "new.json").one_line()
