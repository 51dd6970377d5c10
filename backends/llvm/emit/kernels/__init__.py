"""Kernels in LLVM: a function for each, with the loop nest inside.

    void @kernel.N.f(ptr noalias x, ptr noalias z, i64 n, ..)               for i: for j: z[i, j] = f(x[..], ..)

Everything that a kernel needs comes as a parameter, so that LLVM knows which pointers are apart (`noalias`): data and
adjoints of arrays of different alias classes. What a kernel does not move along the innermost axis is summed up in registers.
Kernels that add to arrays (adding.py) are what adjoints are made of (ir/diff/adjoint.py).

A sum may be taken in any order, as NumPy's is; LLVM uses vectors for it.
"""
