"""Gradients by lantern_jit against hand-written C adjoints and peers, in one run: `python -m benchmarks`."""
