"""What the program claims, checked on this machine against images whose ground truth is known."""

from vsr.validation.checks import CHECKS, Finding
from vsr.validation.report import FORMAT, compare_reports, newly_fails, read_report, validate, write_report

__all__ = ["CHECKS", "FORMAT", "Finding", "compare_reports", "newly_fails", "read_report", "validate", "write_report"]
