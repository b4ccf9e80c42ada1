"""Every shipped preset is valid, described, and states what differs from its parent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vsr.errors import UsageError
from vsr.pipeline.presets import list_presets, read_preset
from vsr.pipeline.settings import describe_keys, is_setting, load_settings, resolve_settings

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_preset_is_valid_and_states_differences(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert resolve_settings(path.stem, {}).spelt == {}
    assert load_settings(str(path), {}) == load_settings(path.stem, {})
    *parents, own = (layer.values for layer in read_preset(path.stem))
    assert path.stem == "default" or parents
    stated: dict[str, Any] = {}
    for layer in parents:
        stated |= layer
    for key, value in own.items():
        names = [f"{key}.{name}" for name in value] if isinstance(value, dict) else [key]
        assert all(map(is_setting, names))
        assert stated.get(key, ...) != value, "stated without need"


def test_the_shipped_ones_are_listed() -> None:
    assert set(list_presets()) == {path.stem for path in CONFIGS.glob("*.yaml")}
    assert all(list_presets().values())


def test_every_key_is_documented() -> None:
    assert [key.name for key in describe_keys() if not key.summary] == []


def test_presets_extend_others_beside_them_and_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "house.yaml").write_text("extends: film\ncrf: 12\nauto: {quality: draft}\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(
        "extends: house.yaml\nheight: 720\nauto: {radius_frames: 2}\n", encoding="utf-8"
    )
    settings, options = load_settings(str(tmp_path / "mine.yaml"), {})
    assert (settings.crf, settings.speed, settings.scale, settings.height) == (12, "slow", None, 720)
    assert (options.regularization, options.quality, options.radius_frames) == (0.8, "draft", 2)
    assert [layer.is_shipped for layer in read_preset(str(tmp_path / "mine.yaml"))] == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: mine.yaml\n", "extends itself"),
        ("extends: flim\n", "did you mean 'film'"),
        ("extends: [film]\n", "names one preset"),
        ("extends: none.yaml\n", "cannot read preset file"),
    ],
)
def test_parents_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_preset(str(tmp_path / "mine.yaml"))
