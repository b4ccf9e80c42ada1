"""A hook of mkdocs: files outside ``docs/`` become pages of the site, and links to them lead there.

In the repository all links are relative paths, which work on a disk and wherever the repository is browsed. On the
site README is the first page, CONTRIBUTING, CHANGELOG and docker/README have pages of their own, and each file of code
that a page links to has one that shows it. Other links are left to mkdocs, whose strict mode refuses broken ones.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)")
MOVED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "docker/README.md": "docker.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside ``docs/``, and one for each file that any page shows."""
    for path, page in MOVED.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    shown = {
        target
        for file in files.documentation_pages()
        for target in map(_target(file.src_uri), LINK.findall(file.content_string))
        if not target.startswith("docs/") and target not in MOVED and (ROOT / target).is_file()
    }
    for path in sorted(shown):
        text = (ROOT / path).read_text(encoding="utf-8")
        content = f"# {path}\n\n````{Path(path).suffix[1:] or 'text'}\n{text}\n````\n"
        page = File.generated(config, _page(path), content=content, inclusion=InclusionLevel.NOT_IN_NAV)
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn paths of the repository into paths of the site."""
    target = _target(page.file.src_uri)
    folder = posixpath.dirname(page.file.src_uri)
    return LINK.sub(lambda link: "](" + posixpath.relpath(_page(target(link[1])), folder or "."), markdown)


def _target(page: str) -> Any:
    """The function that gives the path in the repository to which a link on ``page`` leads."""
    source = next((path for path, moved in MOVED.items() if moved == page), f"docs/{page}")
    return lambda link: posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def _page(path: str) -> str:
    """Where the site has a path of the repository."""
    return MOVED.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else f"source/{path}.md")
