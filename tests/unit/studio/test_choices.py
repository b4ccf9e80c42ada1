"""What the page asks for becomes one command, and previews have the settings that this command has."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from vsr import api
from vsr.cli import app
from vsr.cli.console import run_guarded
from vsr.errors import InputError, UsageError
from vsr.pipeline.settings import load_settings
from vsr.studio.choices import StillChoice, TryChoice, UpscaleChoice, parse_choice
from vsr.studio.places import Root
from vsr.studio.queue import command_of


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "-odd name.mp4").write_bytes(b"video")
    (tmp_path / "clip.mkv").write_bytes(b"video")
    (tmp_path / "own.safetensors").write_bytes(b"weights")
    (tmp_path / "link.pth").symlink_to("/etc/passwd")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0001.png").symlink_to("/etc/passwd")
    return Root(tmp_path)


CHOICES: list[dict[str, Any]] = [
    {},
    {"preset": "fast"},
    {"method": "lanczos", "scale": 3},
    {"method": "lite", "height": 1080, "crf": 20, "codec": "hevc"},
    {"to": "4k", "deinterlace": "field", "passes": ("deflicker",)},
    {"preset": "surveillance", "evidence": True, "start": "12", "end": "1:02.5", "report": False},
    {"method": "own.safetensors", "drop_streams": True, "output": "named.mkv"},
    {"method": "real", "consistent": True, "scale": 1.5},
    {"input_transfer": "logarithmic"},
]


@pytest.mark.parametrize("said", CHOICES)
def test_the_command_has_the_settings_of_the_preview(
    root: Root, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = parse_choice(UpscaleChoice, {"input": "-odd name.mp4", **said})
    order = choice.resolve(root).order(root)
    heard: dict[str, Any] = {}

    def hear(inputs: list[str], output: str, **options: Any) -> list[Any]:
        heard.update(options, inputs=inputs, output=output)
        return []

    monkeypatch.setattr(api, "upscale", hear, raising=False)
    monkeypatch.setattr(sys, "argv", shlex.split(command_of(order.words)))
    assert run_guarded(app) == 0
    assert heard["inputs"] == [str(root.folder / "-odd name.mp4")]
    assert heard["output"] == str(order.output)
    assert (heard["start"], heard["end"]) == (choice.start, choice.end)
    method = None if said.get("method") == "own.safetensors" else said.get("method")
    same = {key: value for key, value in heard["settings"].items() if key != "method" or method is not None}
    mine = {key: value for key, value in choice.settings(root).items() if key != "method" or method is not None}
    assert load_settings(heard["preset"], same) == load_settings(choice.preset, mine)
    assert heard["settings"].get("method") == choice.settings(root).get("method")


def test_outputs_lie_beside_the_input_and_never_over_anything(root: Root) -> None:
    choice = parse_choice(UpscaleChoice, {"input": "clip.mkv", "scale": 2})
    first = choice.resolve(root)
    assert first.output == "clip-2x.mp4"
    place = first.order(root).output
    assert place == root.folder / "clip-2x.mp4"
    assert choice.resolve(root, frozenset([place])).output == "clip-2x-2.mp4"
    place.write_bytes(b"there")
    assert choice.resolve(root).output == "clip-2x-2.mp4"
    for output in ("clip.mkv", "clip-2x.mp4", "../out.mkv", ".vsr-studio/x.mkv", "none/x.mkv", "/tmp/x.mkv"):
        with pytest.raises(UsageError):
            parse_choice(UpscaleChoice, {"input": "clip.mkv", "output": output}).resolve(root)


@pytest.mark.parametrize(
    "said",
    [
        {"method": "/etc/passwd"},
        {"method": "../own.safetensors"},
        {"method": "link.pth"},
        {"method": "lite:link.pth@0.3"},
        {"method": "/etc/passwd:lite@0.3"},
        {"preset": "/etc/hosts.yaml"},
        {"preset": "own.yaml"},
        {"preset": "none"},
    ],
)
def test_files_outside_are_not_read_through_settings(root: Root, said: dict[str, Any]) -> None:
    with pytest.raises((UsageError, InputError)):
        parse_choice(UpscaleChoice, {"input": "clip.mkv", **said}).resolve(root).order(root)


def test_weights_of_trials_and_blends_are_files_of_the_folder(root: Root) -> None:
    blend = parse_choice(UpscaleChoice, {"input": "clip.mkv", "method": "lite:own.safetensors@0.3"})
    assert blend.settings(root)["method"] == f"lite:{root.folder / 'own.safetensors'}@0.3"
    trial = parse_choice(TryChoice, {"input": "clip.mkv", "methods": ["lite", "own.safetensors"]}).resolve(root)
    assert trial.order(root).words[-2:] == ("lite", str(root.folder / "own.safetensors"))
    with pytest.raises(UsageError, match="no name of anything"):
        parse_choice(TryChoice, {"input": "clip.mkv", "methods": ["link.pth"]}).resolve(root).order(root)


@pytest.mark.parametrize(
    ("kind", "said"), [(UpscaleChoice, {}), (StillChoice, {"at": "1"}), (TryChoice, {"methods": ["lite"]})]
)
def test_images_that_lead_out_are_no_input_of_any_job(root: Root, kind: Any, said: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="lead out"):
        parse_choice(kind, {"input": "frames", "fps": "24", **said}).resolve(root)
    with pytest.raises(UsageError, match="lead out"):
        parse_choice(kind, {"input": "frames", "output": "out.mkv", "fps": "24", **said}).order(root)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (UpscaleChoice, {"overwrite": True}),
        (UpscaleChoice, {"passes": ["--overwrite"]}),
        (UpscaleChoice, {"codec": "-y"}),
        (UpscaleChoice, {"start": "--overwrite"}),
        (UpscaleChoice, {"scale": "many"}),
        (StillChoice, {"at": "-1"}),
        (StillChoice, {"at": "1", "roi": "1,2,3"}),
        (StillChoice, {"at": "1", "frames": 0}),
        (StillChoice, {"at": "1", "input_transfer": "--overwrite"}),
        (TryChoice, {"methods": ["--video"]}),
        (TryChoice, {"to": "--x"}),
    ],
)
def test_no_option_is_smuggled_in(kind: Any, said: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        parse_choice(kind, {"input": "clip.mkv", **said})


def test_stills_and_trials_are_commands_too(root: Root) -> None:
    still = parse_choice(StillChoice, {"input": "clip.mkv", "at": "12", "roi": "1,2,30,40"}).resolve(root).order(root)
    assert still.output == root.folder / "clip-still-12.png"
    assert shlex.split(command_of(still.words))[:2] == ["vsr", "still"]
    assert still.words[-3:] == ("--roi", "1,2,30,40", "--report")
    assert still.page == root.folder / "clip-still-12.png.report.html"
    said = {"input": "clip.mkv", "at": "12", "methods": ("lite", "real")}
    trial = parse_choice(TryChoice, said).resolve(root).order(root)
    assert trial.words[:4] == ("try", str(root.folder / "clip.mkv"), "-o", str(root.folder / "clip.try.html"))
    assert trial.words[4:] == ("--at", "12", "--methods", "lite", "real")
