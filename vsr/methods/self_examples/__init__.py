"""Detail after examples of the shot itself: patches that recur at a smaller size."""

from __future__ import annotations
