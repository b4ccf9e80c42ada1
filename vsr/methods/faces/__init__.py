"""Face hallucination: faces of a corpus, models of them, and finding, aligning and replacing faces in frames."""

from __future__ import annotations
