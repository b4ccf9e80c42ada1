"""The parts of the suite of ordinary footage; ``benchmarks/footage.py`` runs it.

`sources` are what was filmed, `movements` make clips of still images, `recording` makes small and compresses, `cells`
says which of all combinations are measured, `scores` measures one of them, `tables` tells what came of it.
"""
