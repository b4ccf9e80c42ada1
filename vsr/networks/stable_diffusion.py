"""The Stable Diffusion x4 upscaler, from a folder as `diffusers` saves pipelines.

Rombach, Blattmann, Lorenz, Esser, Ommer, "High-resolution image synthesis with latent diffusion models", CVPR 2022. The
latent image has the size of the input; a U-Net sees it beside the input, to which a little noise was added, and takes
the noise out of it in ``steps``; an autoencoder makes four by four pixels of each latent one. Noise of both comes from
the family: four channels for the latent image, three for the input. Steps are DDIM's, whatever the folder says, so that
nothing else is drawn. The text is empty and there is no guidance by it.

U-Net and autoencoder see windows of 128 pixels, which overlap and are joined by weights that fall towards their edges
(Bar-Tal et al., "MultiDiffusion", ICML 2023). Windows follow from the image's size alone.

Nothing is downloaded, and weights in files that may hold programs are refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.base import Network, SamplingUpscaler
from vsr.networks.digest import weights_digest

__all__ = ["StableDiffusionUpscaler", "is_pipeline", "load_pipeline"]

_INDEX = "model_index.json"
_CLASS = "StableDiffusionUpscalePipeline"
_COLOURS, _LATENTS, _SCALE = 3, 4, 4
_STEPS = 50
_NOISE_LEVEL = 20  # of the input, of the levels of the folder's ``low_res_scheduler``; the pipeline's own choice
_WINDOW_PX, _OVERLAP_PX = 128, 32
_UNUSABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    RuntimeError,
    ImportError,
)  # what diffusers and transformers raise for folders that are damaged or not whole


def is_pipeline(name_or_path: str | Path) -> bool:
    """Whether it is a folder with a pipeline of `diffusers`."""
    return (Path(name_or_path).expanduser() / _INDEX).is_file()


class StableDiffusionUpscaler(SamplingUpscaler):
    """The parts of a ``StableDiffusionUpscalePipeline``."""

    takes_eta = False
    text: Tensor
    """What the text encoder makes of an empty text, ``(1, words, features)``."""
    unet: Any
    vae: Any

    def __init__(self, pipeline: Any, text: Tensor) -> None:
        super().__init__()
        self.scale, self.context_px, self.noise_channels = _SCALE, None, _LATENTS + _COLOURS
        self.in_channels = _COLOURS + self.noise_channels
        self.unet = pipeline.unet
        self.vae = pipeline.vae
        self.multiple = 1 << (len(pipeline.unet.config.block_out_channels) - 1)
        self.register_buffer("text", text)
        self._scaling = float(pipeline.vae.config.scaling_factor)
        self._schedule = dict(pipeline.scheduler.config)
        self._low_schedule = dict(pipeline.low_res_scheduler.config)
        self.levels, self.eta = int(self._schedule["num_train_timesteps"]), 0.0
        self.steps = min(_STEPS, self.levels)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 10, H, W)``, the small image in 0…1, noise of the latent and of the image, → ``(B, 3, 4·H, 4·W)``."""
        from diffusers import DDIMScheduler, DDPMScheduler

        small, noise = given[:, :_COLOURS], given[:, _COLOURS : _COLOURS + _LATENTS]
        low_noise = given[:, _COLOURS + _LATENTS :]
        level = torch.full((len(given),), _NOISE_LEVEL, device=given.device)
        low = DDPMScheduler.from_config(self._low_schedule).add_noise(2 * small - 1, low_noise, level)
        schedule = DDIMScheduler.from_config(self._schedule)
        schedule.set_timesteps(self.steps, device=given.device)
        state = noise * schedule.init_noise_sigma
        for step in schedule.timesteps:
            seen = torch.cat([schedule.scale_model_input(state, step), low], 1)
            predicted = _in_windows(partial(self._predict, step), seen, _LATENTS, 1)
            state = schedule.step(predicted, step, state, eta=0.0, return_dict=False)[0]
        return (_in_windows(self._decode, state / self._scaling, _COLOURS, _SCALE) + 1) / 2

    def _predict(self, step: Tensor, seen: Tensor) -> Tensor:
        """What the U-Net says of ``seen``, ``(B, 7, h, w)``, at a time step: ``(B, 4, h, w)``."""
        dtype = self.text.dtype
        text = self.text.expand(len(seen), -1, -1)
        level = torch.full((len(seen),), _NOISE_LEVEL, device=seen.device)
        made: Tensor = self.unet(
            seen.to(dtype), step, encoder_hidden_states=text, class_labels=level, return_dict=False
        )[0]
        return made.to(seen.dtype)

    def _decode(self, latent: Tensor) -> Tensor:
        """``(B, 4, h, w)`` → ``(B, 3, 4·h, 4·w)`` in −1…1."""
        made: Tensor = self.vae.decode(latent.to(self.text.dtype), return_dict=False)[0]
        return made.to(latent.dtype)


def _in_windows(run: Callable[[Tensor], Tensor], given: Tensor, channels: int, factor: int) -> Tensor:
    """``run`` on overlapping windows of ``given`` ``(B, C, H, W)``, joined: ``(B, channels, factor·H, factor·W)``."""
    height, width = (int(side) for side in given.shape[-2:])
    total = given.new_zeros(len(given), channels, factor * height, factor * width)
    weights = given.new_zeros(factor * height, factor * width)
    for (top, tall), (left, wide) in product(_places(height), _places(width)):
        made = run(given[..., top : top + tall, left : left + wide])
        weight = _ramp(factor * tall, given)[:, None] * _ramp(factor * wide, given)
        rows, columns = slice(factor * top, factor * (top + tall)), slice(factor * left, factor * (left + wide))
        total[..., rows, columns] += weight * made
        weights[rows, columns] += weight
    return total / weights


def _places(size: int) -> list[tuple[int, int]]:
    """Starts and sizes of the windows along one axis, evenly spread."""
    if size <= _WINDOW_PX:
        return [(0, size)]
    gaps = -(-(size - _WINDOW_PX) // (_WINDOW_PX - _OVERLAP_PX))
    return [(number * (size - _WINDOW_PX) // gaps, _WINDOW_PX) for number in range(gaps + 1)]


def _ramp(size: int, like: Tensor) -> Tensor:
    """Weights along one side of a window: largest in the middle, nowhere 0."""
    place = torch.arange(size, device=like.device, dtype=like.dtype)
    return torch.minimum(place + 1, size - place) / size


def load_pipeline(path: Path, scale: int | None = None) -> Network:
    """The upscaler in the folder ``path``, in float32 on the CPU.

    Raises `ModelError` where `diffusers` is not installed, or the folder holds something else.
    """
    path = path.expanduser()
    if scale not in (None, _SCALE):
        raise ModelError(f"{path}: the Stable Diffusion upscaler enlarges ×{_SCALE}, not ×{scale}")
    _check_class(path)
    module = _read(path).float().eval().requires_grad_(False)
    state = {**module.state_dict()}
    schedules = json.dumps([module._schedule, module._low_schedule], sort_keys=True, default=str)
    return Network(
        name="stable-diffusion-x4",
        module=module,
        scale=_SCALE,
        colour="RGB",
        context_px=None,
        multiple=module.multiple,
        min_size=module.min_size,
        is_generative=True,
        num_parameters=sum(parameter.numel() for parameter in module.parameters()),
        digest=hashlib.sha256((weights_digest(state) + schedules).encode()).hexdigest(),
        source=str(path),
        family="sampling",
        in_channels=_COLOURS + module.noise_channels,
        noise_channels=module.noise_channels,
        module_scale=_SCALE,
    )


def _check_class(path: Path) -> None:
    try:
        found = json.loads((path / _INDEX).read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{path / _INDEX} is no description of a pipeline: {error}") from error
    if found != _CLASS:
        raise ModelError(f"{path} holds a {found}; of diffusers' pipelines {_CLASS} is the one that enlarges here")


def _read(path: Path) -> StableDiffusionUpscaler:
    """What is in the folder, once used: a part that is missing or damaged may show only then."""
    try:
        import diffusers
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise ModelError(f"{path} needs diffusers: pip install 'vsr[diffusers]'") from error
    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()
    try:
        pipeline = diffusers.StableDiffusionUpscalePipeline.from_pretrained(
            str(path), local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
        )
        unet, vae = pipeline.unet.config, pipeline.vae.config
        if unet.in_channels != _LATENTS + _COLOURS or 1 << (len(vae.block_out_channels) - 1) != _SCALE:
            raise ModelError(f"{path}: not the x4 upscaler: its U-Net or its autoencoder is of another kind")
        with torch.no_grad():
            text, _ = pipeline.encode_prompt("", "cpu", 1, False)
        return StableDiffusionUpscaler(pipeline, text.float())
    except (SafetensorError, *_UNUSABLE) as error:
        why = " ".join(str(error).split())[:160]
        raise ModelError(f"{path} cannot be loaded as a whole pipeline with safetensors: {why}") from error
