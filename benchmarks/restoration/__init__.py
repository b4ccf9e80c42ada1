"""What `benchmarks/restoration.py` measures passes on: damage from a seed, and things that must not be taken for it."""
