"""Every shipped preset is complete, valid and described."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vsr.pipeline.settings import describe_keys, known_keys, list_presets, load_settings

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_preset_is_complete_and_valid(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert set(yaml.safe_load(text)) == set(known_keys())
    load_settings(path.stem, {})
    load_settings(str(path), {})


def test_the_shipped_ones_are_listed() -> None:
    assert set(list_presets()) == {path.stem for path in CONFIGS.glob("*.yaml")}
    assert all(list_presets().values())


def test_every_key_is_documented() -> None:
    assert [key.name for key in describe_keys() if not key.summary] == []
