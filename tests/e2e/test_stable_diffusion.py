"""The Stable Diffusion upscaler from a folder: a tiny one with random weights, made here, runs as any network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from plain_reader import first_frames
from program import Run
from videos import X264, encode, scene

import vsr
from vsr.errors import ModelError
from vsr.media.planes import planes_of
from vsr.networks import load_network
from vsr.networks.stable_diffusion import StableDiffusionUpscaler, _in_windows, _places

Call = Callable[..., Run]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `diffusers` saves it."""
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")
    place = tmp_path_factory.mktemp("pipeline")
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=8,
        in_channels=7,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=4,
        num_class_embeds=100,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8),
        norm_num_groups=4,
        latent_channels=4,
        scaling_factor=0.08333,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
    )
    words = {word: number for number, word in enumerate(["<|startoftext|>", "<|endoftext|>", "a", "a</w>"])}
    (place / "vocab.json").write_text(json.dumps(words))
    (place / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt"), model_max_length=5)
    text = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            hidden_size=8,
            intermediate_size=8,
            num_attention_heads=2,
            num_hidden_layers=1,
            vocab_size=4,
            max_position_embeddings=5,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    pipeline = diffusers.StableDiffusionUpscalePipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        low_res_scheduler=diffusers.DDPMScheduler(num_train_timesteps=100),
        scheduler=diffusers.DDIMScheduler(num_train_timesteps=100, prediction_type="v_prediction", clip_sample=False),
        max_noise_level=50,
    )
    pipeline.save_pretrained(str(place / "upscaler"), safe_serialization=True)
    return place / "upscaler"


def test_it_is_the_pipeline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own code, given the same noise, the same steps and no guidance, makes the same image."""
    from diffusers import StableDiffusionUpscalePipeline
    from diffusers.pipelines.stable_diffusion import pipeline_stable_diffusion_upscale as code

    network = load_network(folder)
    assert isinstance(network.module, StableDiffusionUpscaler)
    assert (network.scale, network.is_generative, network.noise_channels) == (4, True, 7)
    network.module.steps = 4
    small = torch.rand(1, 3, 16, 24)
    noise = torch.randn(1, 7, 16, 24)
    monkeypatch.setattr(code, "randn_tensor", lambda *_, **__: noise[:, 4:])
    pipeline = StableDiffusionUpscalePipeline.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    expected = pipeline(
        "", image=2 * small - 1, num_inference_steps=4, guidance_scale=1.0, latents=noise[:, :4], output_type="pt"
    )[0]
    made = network.module(torch.cat([small, noise], 1)).clamp(0, 1)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)


def test_windows_join_without_a_seam() -> None:
    given = torch.rand(1, 2, 150, 300)
    assert _places(128) == [(0, 128)]
    assert _places(300) == [(0, 128), (86, 128), (172, 128)]
    joined = _in_windows(lambda part: part.repeat_interleave(2, 2).repeat_interleave(2, 3), given, 2, 2)
    torch.testing.assert_close(joined, given.repeat_interleave(2, 2).repeat_interleave(2, 3))


def _frames(source: Path, target: Path, folder: Path, workers: int = 1, **settings: object) -> list[list[bytes]]:
    settings = {"method": str(folder), "codec": "ffv1", "steps": 2, "seed": 3, **settings}
    [outcome] = vsr.upscale(source, target, workers=workers, settings=settings)
    assert outcome.manifest is not None
    assert outcome.manifest["method"]["generative"] is True
    return [[plane.tobytes() for plane in planes_of(frame)] for frame in first_frames(target)]


@pytest.mark.slow
def test_workers_and_segments_do_not_show(folder: Path, tmp_path: Path) -> None:
    source = encode(tmp_path / "clip.mp4", scene(36, 32, 16), *X264)
    whole = _frames(source, tmp_path / "whole.mkv", folder)
    assert len(whole) == 36
    assert _frames(source, tmp_path / "parts.mkv", folder, segment_frames=16, workers=2) == whole
    assert _frames(source, tmp_path / "other.mkv", folder, seed=4) != whole


def test_refusals(folder: Path, tmp_path: Path, call: Call) -> None:
    source = encode(tmp_path / "clip.mp4", scene(2, 32, 16), *X264)

    def refused(*words: object) -> str:
        failed = call("upscale", source, "-o", tmp_path / "out.mkv", *words)
        assert failed.code in (2, 4)
        assert not (tmp_path / "out.mkv").exists()
        return failed.one_line()

    assert f"{folder} is one" in refused("--method", folder, "--evidence")
    assert "eta is 0.5" in refused("--method", folder, "--set", "network.eta=0.5")
    assert "steps is 101" in refused("--method", folder, "--set", "network.steps=101")
    assert "stabilityai" in refused("--method", "stabilityai/stable-diffusion-x4-upscaler")
    other = tmp_path / "other"
    other.mkdir()
    (other / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    assert "holds a StableDiffusionPipeline" in refused("--method", other)
    (other / "model_index.json").write_text("[")
    assert "no description of a pipeline" in refused("--method", other)
    (other / "model_index.json").write_text((folder / "model_index.json").read_text())
    assert "cannot be loaded" in refused("--method", other)


def test_pickles_and_other_scales_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    with pytest.raises(ModelError, match="enlarges ×4, not ×2"):
        load_network(folder, 2)
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelError, match="safetensors"):
        load_network(copied)
