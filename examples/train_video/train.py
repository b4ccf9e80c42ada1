"""Make weights of `video`: what `lite` makes of a frame, and what earlier frames add to that.

    python examples/train_video/train.py --scale 2 --images T91 BSDS200 --clips clips --hold-back walk \\
        --out runs/video-x2.safetensors

Sequences are made first (`shots.py`, `sequences.py`): degraded as a whole, enlarged by `lite`, registered as vsr does
it. Then the second network learns, several frames at a time, through what it carries from frame to frame; it begins as
nothing, so the result begins as that of `lite`. Weights and a model card beside them are left. With ``--steps`` in
place of ``--minutes`` a seed gives the same bytes again. Each sequence takes 8 to 12 MB of memory; with ``--items`` it
is kept in a file there instead, and found again by the next run.

``recipes/`` holds the settings of the weights that ship, without folders: ``@recipes/video-x2.txt`` among the words.

Networks that were tried beside it (`variants.py`) learn from the same sequences with ``--variant``; ``--width`` makes
any of them larger or smaller, and ``--every`` gives figures on the way. Only ``video`` leaves weights: without
``--out`` there are figures alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from card import table, write_card
from learning import Learning, measure, squares
from sequences import NUM_FRAMES, Batch, Item, keep_item, make_item, stack, whole_item
from shots import DEGRADATIONS, LEAST_PX, Shots
from torch import Tensor, nn
from variants import VARIANTS

import vsr
from vsr.errors import ModelError, UsageError, VsrError
from vsr.networks import Network, load_network
from vsr.networks.blending import without_folders
from vsr.networks.digest import weights_digest
from vsr.networks.lite import Lite
from vsr.networks.saving import save_weights
from vsr.networks.video import Video
from vsr.training.muon import Muon

LEAST_SQUARE = 2e-6  # added to mean squared errors ahead of their logarithm
WARM_UP, LAST_RATE = 100, 0.02
LARGEST_GRADIENT = 1.0
AHEAD_SHARE = 0.6  # of steps that begin with something remembered
LONGEST_MEMORY = 0.998  # of averaged weights
REPORT_EVERY = 50
_ITEMS, _HELD, _TRAINING = range(3)  # streams of random numbers


class _Parser(argparse.ArgumentParser):
    """Takes options from a file as well, which is named behind an @: any number of words a line."""

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        """See `argparse.ArgumentParser`."""
        return arg_line.split()


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = _Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), required=True)
    parser.add_argument("--images", type=Path, nargs="+", default=[], metavar="FOLDER", help="of still images")
    parser.add_argument("--clips", type=Path, nargs="+", default=[], metavar="FOLDER", help="of pristine videos")
    parser.add_argument("--hold-back", nargs="+", required=True, metavar="NAME", help="file names without suffix")
    parser.add_argument("--base", default="lite", help="weights of lite, by name or file (default: %(default)s)")
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="of video over that base, to go on from; else it begins as lite"
    )
    parser.add_argument("--out", type=Path, help="the .safetensors file; its card gets the suffix .md")
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.add_argument("--sequences", type=int, default=230, help="to learn from (default: %(default)s)")
    parser.add_argument("--held-sequences", type=int, default=36, help="for the figures (default: %(default)s)")
    parser.add_argument("--items", type=Path, metavar="FOLDER", help="where sequences are kept, and found again")
    parser.add_argument("--variant", choices=VARIANTS, default="video", help="what learns (default: %(default)s)")
    parser.add_argument("--width", type=int, help="of its layers, in channels (default: as the variant has it)")
    parser.add_argument("--every", type=int, metavar="STEPS", help="between figures on the way")
    parser.add_argument(
        "--whole", type=Path, nargs="+", default=[], metavar="CLIP", help="measured as well, shrunk by cubics"
    )
    parser.add_argument("--minutes", type=float, default=90.0, help="of training (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="of training, in place of minutes")
    parser.add_argument("--patch", type=int, default=48, help="side in small pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=2, help="patches a step (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=7, help="that a gradient goes through (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="of learning (default: %(default)s)")
    parser.add_argument("--bfloat16", action="store_true", help="half the time, where processors have it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of torch; the weights depend on it a little")
    given = parser.parse_args(argv)
    if min(given.sequences, given.held_sequences, given.batch, given.threads) < 1 or given.seed < 0:
        parser.error("--sequences, --held-sequences, --batch, --threads: at least 1; --seed: at least 0")
    if min(given.minutes, given.rate) <= 0 or (given.steps is not None and given.steps < 1):
        parser.error("--minutes, --rate: more than 0; --steps: at least 1")
    if given.variant != "video" and (given.out is not None or given.init is not None):
        parser.error(f"--variant {given.variant} is no architecture of vsr; leave out --out and --init")
    if min(given.width or 1, given.every or 1) < 1:
        parser.error("--width, --every: at least 1")
    if not 16 <= given.patch <= LEAST_PX or not 2 <= given.frames <= NUM_FRAMES:
        parser.error(f"--patch: 16 to {LEAST_PX}; --frames: 2 to {NUM_FRAMES}")
    return given


def read_base(given: argparse.Namespace) -> Network:
    """The `Lite` that is built on; `ModelError` for others."""
    network = load_network(given.base, given.scale)
    if not isinstance(network.module, Lite):
        raise ModelError(f"{network.source}: is {network.name}; give weights of lite")
    return network


def second_network(network: Network, base: Network, video: Video) -> dict[str, Tensor]:
    """Weights of the second network in ``network``, as `Learning.stacked`.

    `ModelError` unless it is `Video` of ``video``'s size over ``base``, with as many sets of weights.
    """
    sets, expected = _sets_of(network), {f"base.{name}": value for name, value in _sets_of(base).items()}
    same_base = expected.keys() <= sets.keys() and all(
        torch.equal(sets[name].half(), value.half()) for name, value in expected.items()
    )
    second = {name: value for name, value in sets.items() if not name.startswith("base.")}
    own = {name: value.shape for name, value in video.named_parameters() if not name.startswith("base.")}
    if not same_base or {name: value.shape[1:] for name, value in second.items()} != own:
        raise ModelError(f"{network.source}: give --init weights of video over {without_folders(base.source)}")
    return second


def _sets_of(network: Network) -> dict[str, Tensor]:
    """All sets of each tensor, ``(K, …)``."""
    if network.mixture is not None:
        return dict(network.mixture.experts)
    return {name: value[None] for name, value in network.module.state_dict().items()}


def draw(items: Sequence[Item], given: argparse.Namespace, rng: np.random.Generator) -> tuple[Batch, int]:
    """Random patches of random items, and how many frames of them lie ahead of those that are learnt from."""
    chosen = [items[number] for number in rng.integers(0, len(items), given.batch)]
    ahead = int(rng.integers(0, NUM_FRAMES - given.frames + 1)) if rng.random() < AHEAD_SHARE else 0
    num_frames = ahead + given.frames
    starts = [int(rng.integers(0, NUM_FRAMES - num_frames + 1)) for _ in chosen]
    places = [
        (int(rng.integers(0, height - given.patch + 1)), int(rng.integers(0, width - given.patch + 1)))
        for height, width in (item.small.shape[1:] for item in chosen)
    ]
    return stack(chosen, starts, places, num_frames, given.patch), ahead


def train(
    learning: Learning, items: Sequence[Item], held: Sequence[Item], given: argparse.Namespace
) -> tuple[dict[str, Tensor], int]:
    """Averaged weights of the second network, all sets of each tensor, and how many steps were taken."""
    everything = [(name, one) for name, sets in learning.sets.items() for one in sets]
    is_matrix = {id(one): name.endswith("weight") and not name.startswith("tail") for name, one in everything}
    optimisers = [
        Muon([one for _, one in everything if is_matrix[id(one)]], given.rate),
        torch.optim.Adam([one for _, one in everything if not is_matrix[id(one)]], given.rate, betas=(0.9, 0.99)),
    ]
    averaged = learning.stacked()
    rng, began, step, gains = _rng(given, _TRAINING), time.monotonic(), 0, []
    while True:
        done = step / given.steps if given.steps else (time.monotonic() - began) / (60 * given.minutes)
        if done >= 1:
            return averaged, step
        rate = min(1, (step + 1) / WARM_UP) * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done)))
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = given.rate * rate
        batch, ahead = draw(items, given, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=given.bfloat16):
            made = learning.results(batch, ahead)
        errors = squares(made, batch.hr[ahead:]) + LEAST_SQUARE
        for optimiser in optimisers:
            optimiser.zero_grad()
        errors.log().mean().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_([one for _, one in everything], LARGEST_GRADIENT)
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        for name, sets in learning.stacked().items():
            averaged[name].lerp_(sets, 1 - min(LONGEST_MEMORY, step / (step + 10)))
        alone = squares(batch.luma + batch.detail, batch.hr)[ahead:] + LEAST_SQUARE
        gains.append(float((10 * torch.log10(alone / errors.detach())).mean()))
        if step % REPORT_EVERY == 0:
            print(
                f"{step} steps, {time.monotonic() - began:.0f} s: {np.mean(gains[-REPORT_EVERY:]):+.3f} dB", flush=True
            )
        if given.every and step % given.every == 0:
            own = learning.stacked()
            learning.take(averaged)
            print(f"{step} steps, held back: {measure(learning, held)['all'][3]:+.3f} dB", flush=True)
            learning.take(own)


def save(given: argparse.Namespace, base: Network, averaged: dict[str, Tensor], recipe: dict[str, Any]) -> str:
    """Write the file, weights of both networks in half precision; gives the digest of what was written."""
    if base.mixture is None:
        second = {name: sets[0].half() for name, sets in averaged.items()}
        stored = {f"base.{name}": value for name, value in base.module.state_dict().items()} | second
        tensors = {name: value.float() for name, value in stored.items()}
    else:
        first = {f"base.{name}": sets for name, sets in base.mixture.experts.items()}
        sets = {name: value.half().float() for name, value in (first | averaged).items()}
        tensors = replace(base.mixture, experts=sets).tensors()
        stored = {name: value.half() if name.startswith("experts.") else value for name, value in tensors.items()}
    digest = weights_digest(tensors)
    notes = {"vsr.digest": digest, "vsr.training": json.dumps(recipe)}
    save_weights(given.out, stored, architecture="video", scale=given.scale, notes=notes, overwrite=given.force)
    return digest


def run(given: argparse.Namespace) -> None:
    """All of it. Times go to the card; into the file too, but where steps are counted, so that its bytes repeat."""
    began = time.monotonic()
    if given.out is not None:
        check_out(given.out, given.force)
    if given.items is not None and not given.items.is_dir():
        raise UsageError(f"{given.items}: is not a folder; make it first")
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    base = read_base(given)
    variant = VARIANTS[given.variant]
    walker = variant.build(base, given.width or variant.width)
    learning = Learning(walker, base.scale, 1 if base.mixture is None else len(base.mixture.usual))
    init = None if given.init is None else load_network(given.init, given.scale)
    if init is not None:
        learning.take(second_network(init, base, walker.second))
    shots, held = Shots.found_in(given.images, given.clips).split(given.hold_back)
    items = make_items(given, shots, base, _ITEMS, given.sequences)
    held_items = make_items(given, held, base, _HELD, given.held_sequences)
    whole_items = [with_extra(whole_item(path, base), given, base) for path in given.whole]
    averaged, step = train(learning, items, held_items, given)
    learning.take(averaged)
    figures = measure(learning, whole_items) | measure(learning, held_items)
    num_parameters = sum(value.numel() for value in averaged.values())
    if given.out is None:
        print(f"{num_parameters:,} parameters in all sets\n{table(figures, without_folders(base.source))}")
        return
    name = without_folders(base.source)
    recipe = {
        "program": "examples/train_video",
        "network": "video",
        "scale": given.scale,
        "base": name,
        "base_digest": base.digest,
        "init": init and without_folders(init.source),
        "init_digest": init and init.digest,
        "data": [folder.resolve().name for folder in [*given.images, *given.clips]],
        "held_back": list(given.hold_back),
        "sequences": given.sequences,
        "degradations": DEGRADATIONS,
        **{key: getattr(given, key) for key in ("patch", "batch", "frames", "rate", "bfloat16", "seed", "threads")},
        "step": step,
        "steps": given.steps or step,
    }
    if given.steps is None:
        recipe["seconds"] = round(time.monotonic() - began, 1)
    digest = save(given, base, averaged, recipe)
    write_card(given, name, digest, step, figures, num_parameters=num_parameters)
    print(f"{table(figures, name)}\n{given.out}\n{given.out.with_suffix('.md')}")


def make_items(given: argparse.Namespace, shots: Shots, base: Network, stream: int, count: int) -> list[Item]:
    """``count`` sequences, each by its own random numbers; those that are kept are not made again.

    What the variant is given besides is made of them each time.
    """
    recipe = {
        "base": base.digest,
        "data": json.dumps([(path.name, path.stat().st_size) for path in [*shots.images, *shots.clips]]),
        "vsr": vsr.__version__,
        "degradations": json.dumps(DEGRADATIONS),
        "stream": f"{given.seed}, {given.scale}, {stream}",
    }
    items = []
    for number in range(count):
        make = partial(make_item, shots, base, _rng(given, stream, number))
        if given.items is None:
            item = make()
        else:
            item = keep_item(given.items / f"{('train', 'held')[stream]}-{number:05d}.safetensors", recipe, make)
        items.append(with_extra(item, given, base))
        if (number + 1) % 50 == 0:
            print(f"{number + 1} of {count} sequences", flush=True)
    return items


def with_extra(item: Item, given: argparse.Namespace, base: Network) -> Item:
    """``item`` with what the variant is given besides."""
    return replace(item, extra=VARIANTS[given.variant].extra(item, base))


def check_out(out: Path, force: bool) -> None:
    """`UsageError` where neither weights nor a card can be written."""
    for one in (out, out.with_suffix(".md")):
        if one.exists() and not force:
            raise UsageError(f"{one}: is there already; choose another --out, or --force to write over it")
    if out.suffix != ".safetensors" or not out.parent.is_dir():
        raise UsageError(f"{out}: name a .safetensors file in a folder that is there")


def _rng(given: argparse.Namespace, *stream: int) -> np.random.Generator:
    return np.random.default_rng([given.seed, given.scale, *stream])


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; an exit code as vsr's commands give it."""
    given = arguments(argv)
    try:
        run(given)
    except VsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
