"""``vsr presets``: what can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from vsr.cli import completion

__all__ = ["presets"]


def presets(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[PRESET]", help="Show every setting of one preset, resolved.", autocompletion=completion.presets
        ),
    ] = None,
    keys: Annotated[bool, typer.Option("--keys", help="List the keys that a preset or --set may name.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """List presets, methods, passes and codecs; one preset resolved; with --keys every setting and its default."""
    del debug
    if name is not None:
        _show(name)
    elif keys:
        from vsr.cli.console import print_table
        from vsr.pipeline.settings import describe_keys

        found = describe_keys()
        owners = [", ".join(key.sections) or "every run" for key in found]
        wide = max(map(len, owners))
        print_table(
            [
                (key.name, f"{key.default!s:<12} {owner:<{wide}}  {key.summary}")
                for key, owner in zip(found, owners, strict=True)
            ]
        )
    else:
        _list()


def _list() -> None:
    from vsr.catalogue import METHOD_ENTRIES, PASS_ENTRIES
    from vsr.cli.console import print_table
    from vsr.media.codecs import CODECS
    from vsr.pipeline.presets import list_presets

    print("presets")
    print_table([(f"  {name}", summary) for name, summary in list_presets().items()])
    print("methods")
    methods = [(f"  {name}", f"{spec.summary} ({spec.evidence})") for name, spec in METHOD_ENTRIES.items()]
    networks = "a network by name or file of weights, or two blended (learned or generative; see `vsr models list`)"
    print_table([*methods, ("  NAME, FILE, A:B@0.3", networks)])
    print("passes")
    print_table(
        [
            (f"  {name}", f"{spec.summary}; {spec.place} enlarging ({spec.evidence})")
            for name, spec in PASS_ENTRIES.items()
        ]
    )
    print("codecs")
    print_table([(f"  {name}", f"{spec.summary} (.{', '.join(spec.containers)})") for name, spec in CODECS.items()])


def _show(name: str) -> None:
    """Every setting as the preset leaves it: the pipeline's, and those of its method and passes in their sections."""
    import dataclasses

    from vsr.cli.console import print_table
    from vsr.pipeline.presets import read_preset
    from vsr.pipeline.settings import Settings, resolve_settings

    resolved = resolve_settings(name, {})
    settings, usual = resolved.settings, Settings.model_validate({})
    parts: dict[str, list[tuple[str, str]]] = {}
    parts["every run"] = [
        (key, _shown(getattr(settings, key), getattr(usual, key))) for key in Settings.model_fields if key != "passes"
    ]
    sections: list[tuple[str, str, Mapping[str, Any]]] = [
        (f"method {settings.method}", settings.method, dataclasses.asdict(resolved.options)),
        *((f"pass {one.name}, {one.place} enlarging", one.name, one.options) for one in settings.passes),
    ]
    for title, section, values in sections:
        defaults = _defaults(section)
        parts[title] = [(f"{section}.{key}", _shown(value, defaults[key])) for key, value in values.items()]
    for layer in read_preset(name):
        for section, values in layer.values.items():
            if isinstance(values, Mapping) and section not in [used for _, used, _ in sections]:
                rows = parts.setdefault(f"runs by {section}", [])
                rows += [(f"{section}.{key}", str(value)) for key, value in values.items()]
    for title, rows in parts.items():
        print(title)
        print_table([(f"  {key}", value) for key, value in rows])


def _defaults(section: str) -> dict[str, Any]:
    import dataclasses

    from vsr.methods import PASSES, find_method

    row = PASSES[section] if section in PASSES else find_method(section)
    return dataclasses.asdict(row.options_type())


def _shown(value: Any, default: Any) -> str:
    return str(value) if value == default else f"{value}  (usual: {default})"
