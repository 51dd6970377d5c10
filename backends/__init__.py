"""What runs a graph: `python` (the reference interpreter) and `llvm` (native code)."""
