from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vsr.errors import UsageError
from vsr.methods import METHODS, PerFrameOptions
from vsr.pipeline.settings import (
    Settings,
    describe_keys,
    is_setting,
    list_presets,
    load_settings,
    method_options,
    parse_assignment,
)


@pytest.mark.parametrize(
    ("key", "meant"),
    [("scal", "scale"), ("codek", "codec"), ("segment_frame", "segment_frames"), ("deinterlacing", "deinterlace")],
)
def test_an_unknown_key_names_the_nearest(key: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"unknown setting {key!r}; did you mean {meant!r}"):
        load_settings("default", {key: 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0},
        {"scale": -1},
        {"scale": 16.5},
        {"scale": float("nan")},
        {"scale": float("inf")},
        {"scale": "big"},
        {"height": 0},
        {"height": 16385},
        {"height": 1.5},
        {"size": "640"},
        {"size": "640x"},
        {"size": "-640x480"},
        {"crf": "low"},
        {"crf": float("inf")},
        {"segment_frames": 15},
        {"segment_frames": 10_001},
        {"encoder_threads": 0},
        {"decoder_threads": 65},
        {"torch_threads": 0},
        {"cut_threshold": 0},
        {"device": "gpu"},
        {"device": "cuda:x"},
        {"deinterlace": "yes"},
        {"fps": "-25"},
        {"fps": "25fps"},
        {"strict": "perhaps"},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    [key] = wrong
    with pytest.raises(UsageError, match=key):
        load_settings("default", wrong)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"scale": 3}, (3.0, None, None)), ({"size": "64x48"}, (None, "64x48", None)), ({"height": 96}, (None, None, 96))],
)
def test_a_size_replaces_that_of_the_preset(
    given: dict[str, Any], expected: tuple[float | None, str | None, int | None]
) -> None:
    settings, _ = load_settings("default", given)
    assert (settings.scale, settings.size, settings.height) == expected


@pytest.mark.parametrize("given", [{"scale": 2, "size": "64x48"}, {"size": "64x48", "height": 48}])
def test_several_sizes_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="only one of"):
        load_settings("default", given)


def test_none_means_not_given() -> None:
    assert load_settings("default", {"scale": None, "codec": None}) == load_settings("default", {})


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no method 'lanczo'.*did you mean 'lanczos'"):
        load_settings("default", {"method": "lanczo"})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_defaults(method: str) -> None:
    assert method_options(method, {}) == METHODS[method].options_type()


def test_no_key_means_two_things() -> None:
    keys = [(key.name, section) for key in describe_keys() for section in key.sections or [""]]
    assert len(keys) == len(set(keys))
    assert {(name, "") for name in Settings.model_fields} <= set(keys)


def test_shipped_presets_load_and_say_what_they_are() -> None:
    presets = list_presets()
    assert "default" in presets
    for name, summary in presets.items():
        assert summary
        load_settings(name, {})


def test_a_preset_file_counts_and_overrides_win(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("method: bicubic\nscale: 3\ncodec: hevc\n", encoding="utf-8")
    settings, _ = load_settings(str(preset), {"scale": 4})
    assert (settings.method, settings.scale, settings.codec) == ("bicubic", 4.0, "hevc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "key: value"),
        ("scale: [", "not valid YAML"),
        ("scael: 2\n", "did you mean 'scale'"),
        ("scale: 99\n", "scale"),
        ("1: 2\n", "unknown setting"),
    ],
)
def test_bad_preset_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    preset = tmp_path / "bad.yaml"
    preset.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        load_settings(str(preset), {})


def test_presets_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'default'"):
        load_settings("defualt", {})
    with pytest.raises(UsageError, match="cannot read"):
        load_settings(str(tmp_path / "none.yaml"), {})
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UsageError, match="cannot read"):
        load_settings(str(binary), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("scale=2", ("scale", 2)), ("codec=x", ("codec", "x")), ("strict=true", ("strict", True)), (" a = 1", ("a", 1))],
)
def test_assignments(text: str, expected: tuple[str, Any]) -> None:
    assert parse_assignment(text) == expected


@pytest.mark.parametrize("text", ["scale", "=2", "", "a=["])
def test_bad_assignments(text: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        parse_assignment(text)


def test_a_network_takes_the_options_of_networks() -> None:
    chosen = {"method": "weights.pth", "self_ensemble": True, "precision": "bfloat16", "tile_px": 128}
    settings, options = load_settings("default", chosen)
    assert settings.method == "weights.pth"
    assert options == PerFrameOptions(precision="bfloat16", tile_px=128, self_ensemble=True)
    assert all(map(is_setting, ("precision", "tile_px", "self_ensemble", "consistent", "network.noise_sigma")))


@pytest.mark.parametrize(
    "wrong", [{"precision": "float8"}, {"tile_px": 4}, {"noise_sigma": -3}, {"self_ensemble": "perhaps"}], ids=str
)
def test_options_of_networks_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        load_settings("default", {"method": "weights.pth"} | wrong)


def test_agreement_is_asked_of_networks_only() -> None:
    assert load_settings("default", {"method": "weights.pth", "consistent": True})[1].consistent
    with pytest.raises(UsageError, match="consistent: only networks can be made so; auto is none"):
        load_settings("default", {"consistent": True})


def test_evidence_takes_recorded_frames_alone_unless_a_method_is_named() -> None:
    assert load_settings("default", {})[0].method == "auto"
    assert load_settings("default", {"evidence": True})[0].method == "multiframe"
    assert load_settings("default", {"evidence": True, "method": "auto"})[0].method == "auto"  # refused by the job
    assert load_settings("fast", {"evidence": True})[0].method == "lite"
