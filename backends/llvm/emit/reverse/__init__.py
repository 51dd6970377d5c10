"""Reverse mode: closures to LLVM functions that return adjoints.

    S @r.f(params, ptr k, ptr kenv)          calls f's entry block; k is the caller's continuation
    S @r.f.block(inputs, k, kenv, records)   a block: values in, adjoints of its active scalars out
    void @r.f.block.kN(ptr frame)            the continuation after the N-th operation of a block

A block keeps its variables in a frame: {value, adjoint} for an active scalar. Frames do not escape their inlined
chain, so LLVM's SROA turns them into registers; what lives across a call that is not inlined is what LLVM spills:
that is all the memory a step needs.
"""
