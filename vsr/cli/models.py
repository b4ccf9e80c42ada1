"""``vsr models``: networks and their weights: what there is, what a file holds, conversion, fitting of dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsr.cli import completion
from vsr.cli.option_types import SeveralValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vsr.networks.base import NetworkSpec
    from vsr.networks.inspecting import WeightsFacts

__all__ = ["FitCommand", "app", "convert_model", "fit_model", "list_models", "show_model"]

app = typer.Typer(help="Networks and their weights: list, show, convert, fit.")

_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
_Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")]
_Scale = Annotated[int | None, typer.Option(min=1, help="Magnification, where several are there or none is known.")]


@app.callback(invoke_without_command=True)
def _overview(context: typer.Context) -> None:
    """Shows the help where no command is given."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list")
def list_models(
    family: Annotated[
        str,
        typer.Option(metavar="NAME", help="Networks of one kind: a framework such as progressive, or a family."),
    ] = "",
    paper: Annotated[
        str, typer.Option(metavar="WORD", help="Networks whose paper has this: an author, venue, year.")
    ] = "",
    json_: _Json = False,
    debug: _Debug = False,
) -> None:
    """List networks as the field groups them, and weights that can be asked for by name."""
    del debug
    import json

    from vsr.networks.inspecting import find_installed_weights
    from vsr.networks.locating import SHIPPED, model_folders
    from vsr.networks.spandrel_table import SPANDREL

    installed = find_installed_weights()
    chosen = _choose(family, paper)
    if json_:
        content = {
            "networks": [_row(row) for row in chosen],
            "spandrel": [
                {"id": each.id, "title": each.title, "is_generative": each.is_generative} for each in SPANDREL.values()
            ],
            "weights": {name: _files(files) for name, files in installed.items()},
            "folders": [str(folder) for folder in model_folders()],
        }
        print(json.dumps(content, indent=1))
        return
    from vsr.cli.console import print_table

    for group in dict.fromkeys(_group(row) for row in chosen):
        print(f"networks, {group}")
        print_table([(f"  {row.name}", _summary(row)) for row in chosen if _group(row) == group])
    if family or paper:
        return
    print("through spandrel, among others")
    print_table([(f"  {name}", each.title) for name, each in SPANDREL.items()])
    print("weights that ship with vsr")
    print_table([(f"  {name}", _times(scales)) for name, scales in _group_shipped(installed).items()])
    print("weights in " + ", ".join(str(folder) for folder in model_folders()))
    own = {name: [path for path in files.values() if path.parent != SHIPPED] for name, files in installed.items()}
    print_table([(f"  {name}", ", ".join(map(str, paths))) for name, paths in own.items() if paths])
    if not any(own.values()):
        print("  none; docs/networks.md says how to name them")


@app.command("show")
def show_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE", help="A network, a file of weights, or A:B@0.3.", autocompletion=completion.networks
        ),
    ],
    scale: _Scale = None,
    json_: _Json = False,
    debug: _Debug = False,
) -> None:
    """Say what a network is, or what a file of weights holds."""
    del debug
    import json

    from vsr.cli.console import print_table
    from vsr.networks import NETWORKS
    from vsr.networks.inspecting import describe_weights, find_installed_weights

    if model in NETWORKS:
        row, files = NETWORKS[model], find_installed_weights().get(model, {})
        if json_:
            print(json.dumps({**_row(row), "weights": _files(files)}, indent=1))
        else:
            print_table([*_row_lines(row), ("weights", ", ".join(map(str, files.values())) or "none found")])
        return
    facts = describe_weights(model, scale)
    if json_:
        print(json.dumps(_facts(facts), indent=1))
    else:
        print_table(_facts_lines(facts))


@app.command("convert")
def convert_model(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Weights, or A:B@0.3 between two.")],
    output: Annotated[Path, typer.Argument(metavar="OUT.safetensors|OUT.onnx", help="File to write.")],
    scale: _Scale = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="For .onnx: images of this size alone.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    json_: _Json = False,
    debug: _Debug = False,
) -> None:
    """Write weights as .safetensors that say themselves what they are, or a network as .onnx for other programs."""
    del debug
    import json

    from vsr.cli.console import print_table
    from vsr.errors import UsageError
    from vsr.networks.inspecting import convert_weights

    if output.suffix.lower() == ".onnx":
        from vsr.inference.onnx_files import write_onnx

        size_yx = None if size is None else _size_yx(size)
        written = write_onnx(model, output, scale=scale, size_yx=size_yx, overwrite=force)
        rows = {name: str(value) for name, value in vars(written).items()}
        print(json.dumps(rows, indent=1)) if json_ else print_table(list(rows.items()))
        return
    if size is not None:
        raise UsageError("--size is for .onnx files; weights serve every size")
    facts = convert_weights(model, output, scale=scale, overwrite=force)
    if json_:
        print(json.dumps(_facts(facts), indent=1))
    else:
        print_table(_facts_lines(facts))


def _size_yx(text: str) -> tuple[int, int]:
    import re

    from vsr.errors import UsageError

    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if found is None or 0 in map(int, found.groups()):
        raise UsageError(f"--size {text}: give width and height as 640x360")
    return int(found[2]), int(found[1])


def _group(row: NetworkSpec) -> str:
    """What the field calls its kind: where it enlarges, or what it is given besides one frame."""
    return row.framework if row.family == "frame" else row.family


def _choose(family: str, paper: str) -> list[NetworkSpec]:
    """Networks of a kind whose titles have a word. Raises `UsageError` where there are none."""
    from vsr.errors import UsageError, nearest
    from vsr.networks import NETWORKS

    kinds: list[str] = list(dict.fromkeys(kind for row in NETWORKS.values() for kind in (row.framework, row.family)))
    if family and family not in kinds:
        known = ", ".join(kinds)
        raise UsageError(f"no kind of network is called {family!r}; there are {known}{nearest(family, kinds)}")
    chosen = [
        row
        for row in NETWORKS.values()
        if (not family or family in (row.framework, row.family)) and paper.lower() in row.title.lower()
    ]
    if not chosen:
        raise UsageError(f"no network's paper has {paper!r}; vsr models list shows all")
    return chosen


class FitCommand(SeveralValues):
    """Options that take several values, each after the other."""

    several = frozenset(["--data"])


@app.command("fit", cls=FitCommand)
def fit_model(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="anr|aplus|ne-lle|faces", help="The example-based method; faces: a corpus for the pass."
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="File to write.")],
    scale: Annotated[int, typer.Option(min=2, max=4, help="Magnification.")] = 2,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER...", help="Folders of images to learn from.")
    ] = None,
    dictionary: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Take atoms over from a dictionary of anr or ne-lle; none is learnt."),
    ] = None,
    atoms: Annotated[int, typer.Option(min=1, help="Atoms of the dictionary.")] = 1024,
    samples: Annotated[int, typer.Option(min=1, help="Patches that the maps of aplus are learnt from.")] = 2_000_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and images give the same file.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    json_: _Json = False,
    debug: _Debug = False,
) -> None:
    """Fit a dictionary of examples to images: minutes on one core."""
    del debug
    import json
    import sys

    from vsr import api
    from vsr.cli.console import print_table

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    if kind == "faces":
        count, height, width = api.fit_faces(output, data=data or [], overwrite=force)
        described = {"faces": count, "height": height, "width": width, "file": str(output)}
        rows = [("faces", str(count)), ("size", f"{width}x{height}"), ("file", f"{output}: holds the faces themselves")]
        print(json.dumps(described, indent=1)) if json_ else print_table(rows)
        return
    facts = api.fit_dictionary(
        kind,
        output,
        scale=scale,
        data=data or [],
        dictionary=dictionary,
        num_atoms=atoms,
        most_anchored_samples=samples,
        seed=seed,
        overwrite=force,
        on_step=None if quiet else tell,
    )
    print(json.dumps(_facts(facts), indent=1)) if json_ else print_table(_facts_lines(facts))


def _group_shipped(installed: Mapping[str, Mapping[int | None, Path]]) -> dict[str, tuple[int, ...]]:
    """Names that ship with vsr, and their scales."""
    from vsr.networks.locating import SHIPPED

    scales = {
        name: tuple(sorted(scale for scale, path in files.items() if scale and path.parent == SHIPPED))
        for name, files in installed.items()
    }
    return {name: held for name, held in scales.items() if held}


def _times(scales: tuple[int, ...]) -> str:
    return ", ".join(f"×{scale}" for scale in scales) or "any, not known"


def _summary(row: NetworkSpec) -> str:
    counts = sorted(set(row.num_parameters.values()))
    parameters = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"{row.title}; {row.framework}, {row.colour}, {_times(row.scales)}, {parameters} parameters"


def _row(row: NetworkSpec) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": row.title,
        "framework": row.framework,
        "scales": list(row.scales),
        "colour": row.colour,
        "value_range": row.value_range,
        "num_parameters": {str(scale): row.num_parameters[scale] for scale in row.scales},
        "context_px": {str(scale): row.context_px(scale) for scale in row.scales},
        "is_generative": row.is_generative,
    }


def _row_lines(row: NetworkSpec) -> list[tuple[str, str]]:
    return [
        ("network", row.name),
        ("published", row.title),
        ("framework", row.framework),
        ("scales", _times(row.scales)),
        ("colour", row.colour),
        ("range", f"0 to {row.value_range} inside"),
        ("parameters", ", ".join(f"×{scale} {count:,}" for scale, count in row.num_parameters.items())),
        ("context", ", ".join(_context(scale, row.context_px(scale)) for scale in row.scales)),
        ("generative", "yes" if row.is_generative else "no, unless its weights are"),
    ]


def _context(scale: int, pixels: int | None) -> str:
    return f"×{scale} {'whole image' if pixels is None else f'{pixels} px'}"


def _files(files: Mapping[int | None, Path]) -> list[dict[str, Any]]:
    from vsr.networks.locating import SHIPPED

    return [{"scale": scale, "path": str(path), "ships": path.parent == SHIPPED} for scale, path in files.items()]


def _facts(facts: WeightsFacts) -> dict[str, Any]:
    import dataclasses

    content = {field.name: getattr(facts, field.name) for field in dataclasses.fields(facts)}
    content["context_px"] = {str(scale): pixels for scale, pixels in facts.context_px.items()}
    content["metadata"] = dict(facts.metadata)
    return content


def _facts_lines(facts: WeightsFacts) -> list[tuple[str, str]]:
    lines = [
        ("weights", facts.source),
        ("format", facts.format),
        ("network", facts.architecture),
        ("published", facts.title),
        ("framework", facts.framework or ""),
        ("scales", _times(facts.scales)),
        ("colour", facts.colour),
        ("range", f"0 to {facts.value_range} inside"),
        ("parameters", f"{facts.num_parameters:,}"),
        ("context", ", ".join(_context(scale, pixels) for scale, pixels in facts.context_px.items())),
        ("sides", f"multiples of {facts.multiple} px" if facts.multiple > 1 else ""),
        ("smallest", f"{facts.min_size} px" if facts.min_size > 1 else ""),
        ("generative", "yes" if facts.is_generative else "no, as far as is known"),
        ("digest", facts.digest),
        ("model card", facts.card),
        *((f"  {key}", value) for key, value in sorted(facts.metadata.items())),
    ]
    return [(name, value) for name, value in lines if value]
