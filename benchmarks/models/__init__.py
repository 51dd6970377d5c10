"""`python -m benchmarks models`: networks of the papers, one training step each, beside PyTorch, JAX and DyNet where they are installed."""
