"""Passes: methods that keep the size, run before or after the one that sets it.

`vsr.methods.registry` has their table; `compose` makes one method of several.
"""
