"""Executors: who makes the segments."""
