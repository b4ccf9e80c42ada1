"""From records to one HTML file: styles, script and images inside, nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["render"]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("vsr.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
        lstrip_blocks=True,
    )


def _part(name: str) -> str:
    """A file's text; a page that needs no script of its own has none."""
    place = resources.files("vsr.report") / "templates" / name
    return place.read_text(encoding="utf-8") if place.is_file() else ""


def _digest(text: str) -> str:
    """As a content security policy names an inline part."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def render(template: str, *, base: str | None = None, style: str = "", **values: Any) -> str:
    """The page ``templates/TEMPLATE.html.j2`` with its ``.css`` (and ``style`` after it) and ``.js`` inside.

    Those of the page ``base`` come first, where it is built on one.

    Its content security policy allows these two by their digests, images and videos from data, and nothing else.
    """
    names = [template] if base is None else [base, template]
    styles = "".join(_part(f"{name}.css") for name in names) + style
    script = "\n".join(_part(f"{name}.js") for name in names)
    context: Mapping[str, Any] = {
        "style": Markup(styles),
        "style_hash": _digest(styles),
        "script": Markup(script),
        "script_hash": _digest(script),
        **values,
    }
    return _environment().get_template(f"{template}.html.j2").render(context)
