"""Manifests of format 2 verify, and are read by today's names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vsr
from vsr.pipeline.manifest import load_manifest, manifest_path
from vsr.pipeline.seal import record_pieces, seal

_OF_FORMAT_2 = {
    "repaired_times": "mended_times",
    "repaired": "mended",
    "evenly_weighted": "evenly_weighed",
    "condition_blur_px": "told_blur_px",
    "condition_noise_codes": "told_noise_codes",
}


def _as_format_2(value: Any) -> Any:
    if isinstance(value, dict):
        return {_OF_FORMAT_2.get(key, key): _as_format_2(item) for key, item in value.items()}
    return [_as_format_2(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def old(clips: Callable[[str], Path], tmp_path: Path, quick: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """An output of repaired times by `multiframe` whose manifest is of format 2; and the one that it had."""
    settings = quick | {"method": "multiframe", "deinterlace": "off"}
    outcome = vsr.upscale(clips("damaged_ts"), tmp_path / "out.mkv", settings=settings, end=12)[0]
    assert outcome.manifest is not None
    record = _as_format_2(outcome.manifest) | {"format": 2}
    seal(record)
    manifest_path(tmp_path / "out.mkv").write_text("".join(record_pieces(record)))
    text = json.dumps(record)
    assert all(f'"{name}"' in text for name in ("mended_times", "mended", "evenly_weighed"))
    return tmp_path / "out.mkv", outcome.manifest


def test_it_verifies_and_is_read(old: tuple[Path, dict[str, Any]]) -> None:
    output, manifest = old
    failed = [check for check in vsr.verify(output) if not check.passed]
    assert not failed
    unlike = {"format", "record_sha256"}
    found = load_manifest(output)
    assert {key: found[key] for key in found.keys() - unlike} == {
        key: manifest[key] for key in manifest.keys() - unlike
    }


def test_it_is_sealed_as_it_was_written(old: tuple[Path, dict[str, Any]]) -> None:
    output, _ = old
    record = manifest_path(output)
    record.write_text(record.read_text().replace('"mended_times": ', '"mended_times": 1'))
    assert [check.what for check in vsr.verify(output) if not check.passed] == ["record"]


def test_exported_frames_that_are_numbered_from_1_are_made_again(clips: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / "f" / "%06d.png"
    record = vsr.export_frames(clips("plain"), output, start=3, end=6).manifest | {"format": 2}
    names = {f"{number + 2:06d}.png": f"{number:06d}.png" for number in (1, 2, 3)}
    for new, old_name in names.items():
        (output.parent / new).rename(output.parent / old_name)
    record["output"]["files"] = {names.get(name, name): one for name, one in record["output"]["files"].items()}
    seal(record)
    manifest_path(output).write_text("".join(record_pieces(record)))
    assert all(check.passed for check in vsr.verify(output, recompute=True))
    record["output"]["files"]["000001.png"] = record["output"]["files"]["000002.png"]
    (output.parent / "000001.png").write_bytes((output.parent / "000002.png").read_bytes())
    seal(record)
    manifest_path(output).write_text("".join(record_pieces(record)))
    assert "made again" in [check.what for check in vsr.verify(output, recompute=True) if not check.passed]
