"""Make weights of `lite` that suit the source: several sets, an estimator of the source, and a gate that mixes them.

    python examples/train_lite/train.py --scale 2 --images T91 BSDS200 --clips clips \\
        --from lite-x2.safetensors real-x2.safetensors --out runs/lite-x2.safetensors

Items are made first (short shots with a known history, `sources.py`), then the estimator is fitted (`estimator.py`),
then the gate, then sets and gate together (`mixing.py`). Weights, a model card beside them and a table of figures on
images that were held back (`measuring.py`) are left. Weights to begin with: one for clean sources, which becomes the
first set, and one for noisy ones, without which the first stands for both (of a mixture its usual mix counts); or with
``--go-on`` an earlier mixture, whose sets and gate are taken. With ``--steps`` in place of ``--minutes`` a seed gives
the same bytes again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from estimator import fit_estimator, mean_errors
from measuring import THESE, CardFacts, Figures, measure, table, write_card
from mixing import KINDS, Limits, Schedule, Weights, blends, train_mixture
from sources import DEGRADATIONS, Item, Scenes, make_items, read_scenes

from vsr.errors import MachineError, ModelError, UsageError, VsrError
from vsr.networks import Network, load_network
from vsr.networks.blending import without_folders
from vsr.networks.digest import weights_digest
from vsr.networks.mixture import Mixture
from vsr.networks.saving import save_weights
from vsr.training.setup import versions

ARCHITECTURE = "lite"
LEAST_PATCH_PX = 16
_HOLD_BACK, _ITEMS, _CLEAN, _HELD, _TRAINING = range(5)  # streams of random numbers


@dataclass(frozen=True)
class Material:
    """What is learnt from and measured on."""

    degraded: list[Item]
    clean: list[Item]
    held: list[Item]
    held_back: list[str]
    """Names of images and clips."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), required=True)
    parser.add_argument("--images", type=Path, nargs="+", default=[], metavar="FOLDER", help="of still images")
    parser.add_argument("--clips", type=Path, nargs="+", default=[], metavar="FOLDER", help="of pristine videos")
    first = parser.add_mutually_exclusive_group(required=True)
    first.add_argument("--from", dest="starts", nargs="+", metavar="WEIGHTS", help="names or files: CLEAN [NOISY]")
    first.add_argument("--go-on", metavar="MIXTURE", help="name or file of an earlier mixture, for all its sets")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file; its card gets the suffix .md")
    parser.add_argument("--force", action="store_true", help="write over what is there")
    parser.add_argument("--items", type=int, default=10_000, help="degraded shots (default: %(default)s)")
    parser.add_argument("--clean-items", type=int, default=3_000, help="clean shots (default: %(default)s)")
    parser.add_argument("--held-items", type=int, default=400, help="for the figures (default: %(default)s)")
    parser.add_argument(
        "--hold-back", nargs="+", default=[], metavar="NAME", help="file names without suffix (default: every 20th)"
    )
    parser.add_argument("--minutes", type=float, default=14.0, help="of training (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="of training, in place of minutes")
    parser.add_argument("--patch", type=int, default=56, help="side in small pixels (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=8e-4, help="of learning (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of torch; the weights depend on it a little")
    given = parser.parse_args(argv)
    if min(given.items, given.held_items, given.threads) < 1 or min(given.clean_items, given.seed) < 0:
        parser.error("--items, --held-items, --threads: at least 1; --clean-items, --seed: at least 0")
    if given.items < 2:
        parser.error("--items: at least 2, for their spread")
    if min(given.minutes, given.rate) <= 0 or (given.steps is not None and given.steps < 1):
        parser.error("--minutes, --rate: more than 0; --steps: at least 1")
    if not LEAST_PATCH_PX <= given.patch <= 96:
        parser.error(f"--patch: {LEAST_PATCH_PX} to 96")
    if given.starts is not None and len(given.starts) > 2:
        parser.error("--from: at most two weights")
    return given


def read_starts(given: argparse.Namespace) -> list[Network]:
    """Weights of one architecture to begin with; `ModelError` for others."""
    networks = [load_network(name, given.scale) for name in given.starts or [given.go_on]]
    shapes = [{key: value.shape for key, value in network.module.state_dict().items()} for network in networks]
    for network, found in zip(networks, shapes, strict=True):
        if network.name != ARCHITECTURE or found != shapes[0]:
            raise ModelError(f"{network.source}: is {network.name}; begin with {ARCHITECTURE} alone, of one size")
    return networks


def first_sets(given: argparse.Namespace, starts: Sequence[Network]) -> list[Weights]:
    """What the sets begin with; `ModelError` where ``--go-on`` has not as many."""
    if given.go_on is None:
        states = [network.module.state_dict() for network in starts]
        return blends(states[0], states[-1])
    experts = {} if starts[0].mixture is None else starts[0].mixture.experts
    if any(len(sets) != len(KINDS) for sets in experts.values()) or not experts:
        raise ModelError(f"{starts[0].source}: has not {len(KINDS)} sets of weights; give it to --from instead")
    return [{name: sets[number] for name, sets in experts.items()} for number in range(len(KINDS))]


def make_material(given: argparse.Namespace) -> Material:
    """Read the folders, hold some back and make all items."""
    scenes, held = read_scenes(given.images, given.clips).without(given.hold_back, _rng(given, _HOLD_BACK))
    names = [path.stem for path in [*held.images, *held.clips]]

    def items(of: Scenes, count: int, stream: int, *, clean: bool = False) -> list[Item]:
        return make_items(of, count, _rng(given, stream), scale=given.scale, least_px=given.patch, clean=clean)

    return Material(
        degraded=items(scenes, given.items, _ITEMS),
        clean=items(scenes, given.clean_items, _CLEAN, clean=True),
        held=make_items(held, given.held_items, _rng(given, _HELD), scale=given.scale),
        held_back=names,
    )


def _rng(given: argparse.Namespace, stream: int) -> np.random.Generator:
    return np.random.default_rng([given.seed, given.scale, stream])


def save(given: argparse.Namespace, mixture: Mixture, recipe: dict[str, Any], figures: Figures) -> str:
    """Write the file, sets in half precision; gives the digest of what was written."""
    tensors = mixture.tensors()
    digest = weights_digest(tensors)
    stored = {name: value.half() if name.startswith("experts.") else value for name, value in tensors.items()}
    notes = {
        "vsr.digest": digest,
        "vsr.training": json.dumps(recipe),
        "vsr.psnr_y": f"{figures[''][1][THESE][0]:.4f}",
    }
    save_weights(given.out, stored, architecture=ARCHITECTURE, scale=given.scale, notes=notes, overwrite=given.force)
    return digest


def recipe_of(given: argparse.Namespace, material: Material, starts: Sequence[Network]) -> dict[str, Any]:
    """What the metadata ``vsr.training`` tell, but for what a clock says."""
    return {
        "program": "examples/train_lite",
        "network": ARCHITECTURE,
        "scale": given.scale,
        "sets": len(KINDS),
        "kinds": list(KINDS),
        "data": [folder.resolve().name for folder in [*given.images, *given.clips]],
        "held_back": material.held_back,
        "items": len(material.degraded),
        "clean_items": len(material.clean),
        "starts": [without_folders(network.source) for network in starts],
        "goes_on": given.go_on is not None,
        "start_digests": [network.digest for network in starts],
        "degradations": DEGRADATIONS,
        "patch_px": given.patch,
        "learning_rate": given.rate,
        "seed": given.seed,
        "threads": given.threads,
    }


def check_output(path: Path, *, force: bool) -> None:
    """`UsageError` ahead of all work where weights or card could not be written in the end."""
    if path.suffix != ".safetensors":
        raise UsageError(f"{path}: weights are written as .safetensors; name the file so")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder; make it, or choose another --out")
    for one in (path, path.with_suffix(".md")):
        if one.exists() and not force:
            raise UsageError(f"{one}: is there already; choose another --out, or --force to write over it")


def run(given: argparse.Namespace) -> None:
    """All of it. Times go to the card; into the file too, but where steps are counted, so that its bytes repeat."""
    began = time.monotonic()
    check_output(given.out, force=given.force)
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    starts = read_starts(given)
    first = first_sets(given, starts)
    material = make_material(given)
    source = fit_estimator(material.degraded)
    errors = mean_errors(material.held, source)
    print(f"estimates of blur, log noise and log compression err by {', '.join(f'{one:.3f}' for one in errors)}")

    schedule = Schedule(given.scale, given.patch, given.rate, Limits(given.steps, given.minutes))
    began_training = time.monotonic()
    items = [*material.degraded, *material.clean]
    earlier = starts[0].mixture if given.go_on is not None else None
    gate = None if earlier is None else earlier.gate
    mixture, step = train_mixture(starts[0].module, first, source, items, schedule, _rng(given, _TRAINING), _tell, gate)
    ended_training = time.monotonic()

    others = {without_folders(network.source): network for network in starts}
    figures = measure(mixture, others, material.held)
    recipe = {**recipe_of(given, material, starts), "step": step, "steps": given.steps or step}
    seconds = {
        "seconds": round(time.monotonic() - began, 1),
        "training_seconds": round(ended_training - began_training, 1),
    }
    digest = save(given, mixture, recipe if given.steps else recipe | seconds, figures)
    facts = CardFacts(
        file_name=given.out.name,
        digest=digest,
        num_parameters=starts[0].num_parameters,
        recipe=recipe | seconds,
        command=_command(given),
        estimate_errors=errors,
        versions=versions(),
    )
    card = given.out.with_suffix(".md")
    try:
        card.write_text(write_card(facts, figures), encoding="utf-8")
    except OSError as error:
        raise MachineError(f"{card}: cannot be written ({error.strerror or error})") from error
    print(f"{table(figures)}\n{given.out}\n{card}")


def _tell(line: str) -> None:
    print(line, flush=True)


def _command(given: argparse.Namespace) -> str:
    """As somebody else would give it: names of folders and files, no paths."""
    words: list[object] = ["--scale", given.scale]
    for option, paths in (("--images", given.images), ("--clips", given.clips)):
        words += [option, *(path.resolve().name for path in paths)] if paths else []
    words += ["--from" if given.go_on is None else "--go-on"]
    words += [*(without_folders(name) for name in given.starts or [given.go_on]), "--out", given.out.name]
    words += ["--items", given.items, "--clean-items", given.clean_items, "--held-items", given.held_items]
    words += ["--hold-back", *given.hold_back] if given.hold_back else []
    words += ["--minutes", f"{given.minutes:g}"] if given.steps is None else ["--steps", given.steps]
    words += ["--patch", given.patch, "--rate", f"{given.rate:g}"]
    words += ["--seed", given.seed, "--threads", given.threads]
    return shlex.join(["python", "examples/train_lite/train.py", *map(str, words)])


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
