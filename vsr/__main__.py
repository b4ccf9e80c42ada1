"""``python -m vsr``."""

from vsr.cli import main

__all__: list[str] = []

main()
