"""What a project needs, one requirement a line: ``requirements.py pyproject.toml EXTRA…``. Standard library only."""

import sys
import tomllib
from pathlib import Path


def main(file: str, *extras: str) -> None:
    """Print the requirements of the project in ``file`` and of the extras named."""
    project = tomllib.loads(Path(file).read_text(encoding="utf-8"))["project"]
    requested = [*project["dependencies"], *(one for name in extras for one in project["optional-dependencies"][name])]
    print(*requested, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
