"""An HTML page as its parts, read by the standard library alone."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

__all__ = ["Element", "Page", "decode_uri", "read_page"]

_VOID = frozenset(["meta", "link", "img", "input", "br", "hr", "base", "source", "col"])


@dataclass
class Element:
    """One element."""

    tag: str
    attributes: dict[str, str]
    inside: list[str]
    """Tags around it, outermost first."""
    text: str = ""


@dataclass
class Page:
    """All elements in order, and what is wrong with their nesting."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def of(self, tag: str) -> list[Element]:
        """Elements of one kind."""
        return [element for element in self.elements if element.tag == tag]

    @property
    def text(self) -> str:
        """What a person reads."""
        hidden = ("script", "style")
        return " ".join(" ".join(e.text.split()) for e in self.elements if e.tag not in hidden and e.text.strip())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page, self.open = Page(), list[Element]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, [each.tag for each in self.open])
        self.page.elements.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1].tag != tag:
            self.page.faults.append(f"</{tag}> inside {[each.tag for each in self.open][-3:]}")
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1].text += data


def read_page(path: Path) -> Page:
    """Parse a file."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    reader.page.faults += [f"<{each.tag}> is not closed" for each in reader.open]
    return reader.page


def decode_uri(uri: str) -> tuple[str, bytes]:
    """Media type and bytes of a data URI."""
    found = re.fullmatch(r"data:([\w/+.-]+);base64,(.*)", uri)
    assert found is not None, uri[:60]
    return found[1], base64.b64decode(found[2], validate=True)
