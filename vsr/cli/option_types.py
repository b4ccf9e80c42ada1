"""Options of the command line that take no value, one, or several."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from typer.core import TyperCommand

__all__ = ["OptionalValue", "SeveralValues", "complete", "spread"]


def spread(arguments: list[str], several: frozenset[str]) -> list[str]:
    """``arguments`` with every further value of an option named in ``several`` given the option's name again."""
    result: list[str] = []
    current, waits = "", False
    for number, argument in enumerate(arguments):
        if argument == "--":
            return result + arguments[number:]
        if argument.startswith("-") and argument != "-" and not waits:
            name, equals, _ = argument.partition("=")
            current, waits = (name, not equals) if name in several else ("", False)
        elif current and not waits:
            result.append(current)
        else:
            waits = False
        result.append(argument)
    return result


class SeveralValues(TyperCommand):
    """A command without arguments of its own, some of whose options take several values."""

    several: ClassVar[frozenset[str]] = frozenset()
    """Names of these options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See the base class."""
        return super().parse_args(ctx, spread(args, self.several))


_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def complete(arguments: list[str], option: str, value: str) -> list[str]:
    """``arguments`` with ``value`` put after ``option`` where none that it could mean follows.

    A value of the option ends like an image or in a slash, or names a folder that is there. Whether it is a kind of
    image that can be had is said by who gets it.
    """
    result: list[str] = []
    for number, argument in enumerate(arguments):
        if argument == "--":
            return result + arguments[number:]
        result.append(argument)
        if argument == option:
            following = arguments[number + 1] if number + 1 < len(arguments) else ""
            is_image = following.lower().endswith(_IMAGES) and "%" not in following
            if not (is_image or following.endswith("/") or (following and Path(following).is_dir())):
                result.append(value)
    return result


class OptionalValue(TyperCommand):
    """A command with one such option."""

    option: ClassVar[str] = ""
    value: ClassVar[str] = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See the base class."""
        return super().parse_args(ctx, complete(args, self.option, self.value))
