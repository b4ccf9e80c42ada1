"""Options with several values, written one after the other: ``--scale 2 3 4`` for ``--scale 2 --scale 3 --scale 4``."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperCommand

__all__ = ["SeveralValues", "spread"]


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
