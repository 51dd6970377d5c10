"""Kernels in LLVM: a function forward and one backward for each, with the loop nest inside.

    void @kernel.N(ptr noalias x, ptr noalias z, i64 n, ..)               for i: for j: z[i, j] = f(x[..], ..)
    S    @kernel.N.back(ptr noalias x, dx, dz, i64 n, .., scalars)        for i: for j: dx[..] += df(..) dz[i, j]

Everything that a kernel needs comes as a parameter, so that LLVM knows which pointers are apart (`noalias`): data and
adjoints of arrays of different alias classes. The loop backwards runs the scalar function again and its operations'
rules in reverse; what was an output can be read instead of computed. Adjoints of scalars and of elements that do not
move along the innermost axis are summed up in registers. Where two inputs read one array at different places
(`x[1:] - x[:-1]`), their terms go through buffers of `STRIP` elements, so that each loop adds at one place.

A sum may be taken in any order, as NumPy's is; LLVM uses vectors for it.
"""
