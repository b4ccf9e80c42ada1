"""What diffusers says of a folder that is no good becomes one line; diffusers is played here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from vsr.errors import ModelError
from vsr.networks import load_network


def _raise(error: Exception) -> Any:
    raise error


def _pipeline(**changes: Any) -> SimpleNamespace:
    config = SimpleNamespace(in_channels=7, block_out_channels=(8, 8, 8), scaling_factor=1.0)
    unet, vae = torch.nn.Identity(), torch.nn.Identity()
    unet.config = vae.config = config  # type: ignore[assignment]
    schedule = SimpleNamespace(config={"num_train_timesteps": 10})
    parts = {"unet": unet, "vae": vae, "scheduler": schedule, "low_res_scheduler": schedule}
    return SimpleNamespace(**{**parts, "encode_prompt": lambda *_: (torch.zeros(1, 2, 8), None), **changes})


def _refused(folder: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]) -> str:
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionUpscalePipeline"}))
    logging = SimpleNamespace(logging=SimpleNamespace(disable_progress_bar=lambda: None))
    pipeline = SimpleNamespace(from_pretrained=load)
    played = SimpleNamespace(utils=logging, StableDiffusionUpscalePipeline=pipeline)
    monkeypatch.setitem(sys.modules, "diffusers", played)
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(utils=logging))
    with pytest.raises(ModelError) as caught:
        load_network(folder)
    return str(caught.value)


@pytest.mark.parametrize("error", [SafetensorError, OSError, RuntimeError])
def test_long_errors_of_libraries_become_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    said = _refused(tmp_path, monkeypatch, lambda *_, **__: _raise(error("header\n is wrong" + "\n more" * 500)))
    assert "header is wrong more" in said
    assert "\n" not in said
    assert len(said) < len(str(tmp_path)) + 300


def test_what_is_found_at_the_first_use_is_refused_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for changes in (
        {"scheduler": None},
        {"low_res_scheduler": None},
        {"encode_prompt": lambda *_: _raise(IndexError("no words"))},
    ):
        made = _pipeline(**changes)
        assert "cannot be loaded as a whole pipeline" in _refused(
            tmp_path, monkeypatch, lambda *_, made=made, **__: made
        )
    whole = _pipeline()
    whole.unet.config.in_channels = 4
    assert "not the x4 upscaler" in _refused(tmp_path, monkeypatch, lambda *_, **__: whole)
