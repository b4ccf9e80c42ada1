"""The documentation builds as a site, without a warning, and its pages ask no other host for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_pages_fetch_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {"index.html", "contributing.html", "api.html"} <= {page.name for page in pages}
    fetched = re.compile(r"""<(?:link|script|img|iframe|video)\b[^>]*\b(?:href|src|srcset)=["']?(?:https?:)?//""")
    assert [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))] == []
    remote = re.compile(r"(?:url\(|@import )[\"']?(?:https?:)?//")
    assert [sheet.name for sheet in site.rglob("*.css") if remote.search(sheet.read_text(encoding="utf-8"))] == []


def test_lists_are_lists(site: Path) -> None:
    """Markdown that one renderer takes for a list and another for a line of text shows as a dash or a number."""
    marker = re.compile(r"\n *(?:[-*]|\d+\.) \S[^\n]{0,60}")
    found = []
    for page in site.rglob("*.html"):
        [content] = re.findall(r"(?s)<article.*?</article>", page.read_text(encoding="utf-8")) or [""]
        found += [(page.name, line) for line in marker.findall(re.sub(r"(?s)<pre\b.*?</pre>", "", content))]
    assert found == []


def test_the_reference_documents_every_public_function(site: Path) -> None:
    import vsr

    text = (site / "reference" / "api.html").read_text(encoding="utf-8")
    missing = [name for name in vsr.__all__ if f'id="vsr.{name}"' not in text and f'id="vsr.errors.{name}"' not in text]
    assert missing == ["__version__"]


def test_links_to_code_lead_to_pages_that_show_it(site: Path) -> None:
    assert 'href="source/examples/custom_network.py.html"' in (site / "usage.html").read_text(encoding="utf-8")
    shown = (site / "source" / "examples" / "custom_network.py.html").read_text(encoding="utf-8")
    assert "A network of your own: written, trained for about a minute" in shown
