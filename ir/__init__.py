"""The graph: types, nodes, the table of operations, tracing, transforms. Knows nothing of LLVM."""
