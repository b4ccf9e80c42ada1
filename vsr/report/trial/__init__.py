"""The page on which methods are compared on a short part of a video, with what each would take for all of it."""

from __future__ import annotations

from vsr.report.trial.make import Candidate, Trial, TrialOptions, make_trial, try_candidates

__all__ = ["Candidate", "Trial", "TrialOptions", "make_trial", "try_candidates"]
