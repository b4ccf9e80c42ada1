"""Training networks, and fitting dictionaries of examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vsr.api.arguments import PathLike
from vsr.errors import UsageError, nearest
from vsr.networks.inspecting import WeightsFacts, describe_weights
from vsr.networks.saving import save_weights
from vsr.training import OnProgress as OnTraining
from vsr.training import TrainingOutcome, heard, make_request, train_in_stages
from vsr.training.dictionaries import KINDS, DictionaryOptions
from vsr.training.dictionaries import fit_dictionary as fitted
from vsr.training.faces import gather_faces

__all__ = ["fit_dictionary", "fit_faces", "train"]


def train(
    config: PathLike | Mapping[str, Any],
    out: PathLike,
    *,
    data: PathLike | Sequence[PathLike] | None = None,
    start_from: str | None = None,
    steps: int | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int = 1,
    ray: str | None = None,
    on_progress: OnTraining | None = None,
) -> TrainingOutcome:
    """Train a network, or fit one to footage of one's own; see docs/training.md.

    Args:
        config: a YAML file, the name of a recipe that comes with vsr (``lite-x2``), or its keys and values.
        out: folder of the run. Given again with the same configuration, an ended run goes on to the same result.
        data: folders of images or of videos to learn from, instead of those of the configuration.
        start_from: weights to begin with, by name or file.
        steps: steps in all, instead of those of the configuration.
        settings: further keys of the configuration.
        workers: processes that share each step, through Ray; their gradients are averaged.
        ray: address of a running Ray cluster.
        on_progress: called from this thread every few steps.

    Raises `UsageError` for what cannot be, `InputError` for data that is missing or unfit, `ModelError` for weights
    that do not fit and for a loss that is NaN, `MachineError` for a full disk. For example::

        vsr.train("lite-x2", "runs/mine", data="my-videos", start_from="lite", steps=2000)
    """
    request = make_request(
        config if isinstance(config, Mapping) else str(config),
        Path(out).expanduser(),
        data=None if data is None else [Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)],
        start_from=start_from,
        steps=steps,
        workers=workers,
        settings=settings or {},
    )
    part = partial(train_in_stages, request)
    if workers == 1 and ray is None:
        events = part(0)
    else:
        from vsr.distributed.data_parallel import run_together

        events = run_together(part, workers, ray)
    return heard(events, on_progress)


def fit_dictionary(
    kind: str,
    out: PathLike,
    *,
    scale: int = 2,
    data: PathLike | Sequence[PathLike] = (),
    dictionary: str | None = None,
    num_atoms: int = 1024,
    most_anchored_samples: int = 2_000_000,
    seed: int = 0,
    overwrite: bool = False,
    on_step: Callable[[str], None] | None = None,
) -> WeightsFacts:
    """Fit an example-based method (``anr``, ``aplus`` or ``ne-lle``) to images, and write its weights.

    Args:
        kind: which of them.
        out: a ``.safetensors`` file.
        scale: magnification, 2 to 4.
        data: folders of images to learn from.
        dictionary: weights of ``anr`` or ``ne-lle`` whose atoms are taken over; then only ``aplus`` needs images.
        num_atoms: atoms of the dictionary.
        most_anchored_samples: patches that the maps of ``aplus`` are learnt from.
        seed: of what is drawn; the same images and seed give the same weights.
        overwrite: whether a file that is there is replaced.
        on_step: called with what is being done, in words.

    Raises `UsageError` for what cannot be, `InputError` for data that is missing, mixed or too little, `ModelError`
    for a dictionary that cannot be loaded, `MachineError` for a full disk.
    """
    found = next((one for one in KINDS if one == kind), None)
    if found is None:
        raise UsageError(f"{kind!r} cannot be fitted; known: {', '.join(KINDS)}{nearest(kind, KINDS)}")
    path = Path(out).expanduser()
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: is there already; choose another name, or --force to write over it")
    tensors = fitted(
        found,
        scale,
        [Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)],
        dictionary=dictionary,
        options=DictionaryOptions(num_atoms=num_atoms, most_anchored_samples=most_anchored_samples, seed=seed),
        on_step=on_step,
    )
    save_weights(path, tensors, architecture=found, scale=scale, overwrite=overwrite)
    return describe_weights(str(path), scale)


def fit_faces(out: PathLike, *, data: PathLike | Sequence[PathLike], overwrite: bool = False) -> tuple[int, int, int]:
    """Gather a corpus for the pass ``faces``, and write it. Returns how many faces it has, their height and width.

    Args:
        out: a ``.safetensors`` file. It holds the faces themselves: treat it as their photographs.
        data: folders of images of aligned, frontal faces, all of one size.
        overwrite: whether a file that is there is replaced.

    Raises `UsageError` for what cannot be, `InputError` for folders that are missing, empty or mixed, and for faces of
    several sizes, `MachineError` for a full disk.
    """
    path = Path(out).expanduser()
    if path.exists() and not overwrite:
        raise UsageError(f"{path}: is there already; choose another name, or --force to write over it")
    tensors = gather_faces([Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)])
    save_weights(path, tensors, architecture="faces", is_generative=True, overwrite=overwrite)
    count, height, width = tensors["faces"].shape
    return count, height, width
