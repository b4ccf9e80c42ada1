"""``vsr presets``: what can be chosen."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["presets"]


def presets(
    keys: Annotated[bool, typer.Option("--keys", help="List the keys that a preset or --set may name.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """List presets, methods and codecs; with --keys every setting and its default."""
    del debug
    from vsr.cli.console import print_table
    from vsr.pipeline.settings import describe_keys, list_presets

    if keys:
        print_table([(key.name, f"{key.default!s:<12} {key.summary}") for key in describe_keys()])
        return
    from vsr.media.codecs import CODECS
    from vsr.methods import METHODS

    print("presets")
    print_table([(f"  {name}", summary) for name, summary in list_presets().items()])
    print("methods")
    methods = [(f"  {name}", f"{spec.summary} ({spec.evidence})") for name, spec in METHODS.items()]
    networks = "a network by name or file of weights, or two blended (learned or generative; see `vsr models list`)"
    print_table([*methods, ("  NAME, FILE, A:B@0.3", networks)])
    print("codecs")
    print_table([(f"  {name}", f"{spec.summary} (.{', .'.join(spec.containers)})") for name, spec in CODECS.items()])
