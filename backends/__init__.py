"""What runs a graph: `python` (the reference interpreter) and `llvm` (native code), on one of `targets`."""
