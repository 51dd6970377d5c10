"""What is computed in a loop, computed again before it: the sizes of what each lane of a vmap gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from ..core import dims, errors
from ..core.builder import Builder
from ..core.dims import Applied, Dim, Poly, Symbol
from ..core.graph import Block, Const, Let, Var, defined_vars
from ..core.op import TABLE, Size, can_fail
from ..core.sites import user_site
from ..core.types import I64, Array
from ..values import sizes
from ..values.values import Arrayed, Traced, dim_of, dimension, dims_of, named


class Outside:
    """Values of a loop's body as there are before the loop. `known` are values that were there then."""

    def __init__(self, builder: Builder, blocks: Sequence[Block], known: Sequence[Any]) -> None:
        self.builder, self.known = builder, known
        self.inside: set[Any] = {v for b in blocks for v in defined_vars(b)}

    def value(self, x: Any) -> Any:
        """A result that is to be the same for all lanes."""
        if getattr(x, "atom", None) in self.inside:
            raise errors.UnsupportedOperationError(
                f"out_axes of vmap at {user_site()} is None for a result that each lane computes: give an axis, and take an element of it"
            )
        return x

    def size(self, n: Any) -> Any:
        """A size of a result, at the point that is traced now."""
        if not isinstance(n, Traced) or n.atom not in self.inside:
            return n
        d = dim_of(n)
        found = self.of_dim(d)
        return named(self.again(n.atom), d) if found is None else found

    # ---- by what is known of it
    def of_dim(self, d: Dim) -> Any:
        """A number of that dimension, from the sizes and ints that are known; None if they do not say it."""
        if not isinstance(d, Poly):
            return d if isinstance(d, int) else None
        total: Any = 0
        for factors, c in d.terms:
            product: Any = c
            for f in factors:
                n = self.symbol(f) if isinstance(f, Symbol) else self.applied(f)
                if n is None:
                    return None
                product = sizes.mul(product, n)
            total = sizes.add(total, product)
        return total

    def symbol(self, s: Symbol) -> Any:
        d = dims.symbol(s.name)
        params = [(v, self.builder) for v in self.builder.params]
        arrays = [x for x in self.known if isinstance(x, Arrayed)]
        arrays += [Arrayed(v, b) for v, b in params if isinstance(v.type, Array)]
        for x in arrays:
            for axis, e in enumerate(dims_of(x)):
                if e == d:
                    return dimension(x, axis)
        ints = [x for x in self.known if isinstance(x, Traced) and x.type == I64]
        ints += [Traced(v, b) for v, b in params if v.type == I64]
        return next((x for x in ints if dim_of(x) == d), None)

    def applied(self, f: Applied) -> Any:
        args = [self.of_dim(a) for a in f.args]
        if None in args:
            return None
        if f.name == "max":
            return sizes.nonnegative(args[0])
        return sizes.smaller(*args) if f.name == "min" else sizes.floordiv(args[0], args[1])

    # ---- by the operations that have made it
    def again(self, atom: Any) -> Any:
        if isinstance(atom, Const) or atom not in self.inside:
            return Traced(atom, self.builder)
        let = self.builder.made.get(atom)
        op = TABLE[let.op] if let is not None else None
        if let is not None and op is not None:
            if op.measures:
                return self.length(let.args[0], let.attrs["axis"])
            if op.scalar and (op.fits or not can_fail(let) or self.has_dim(let)):  # sizes that do not fit do not fit in any lane
                return op(*map(self.again, let.args), **let.attrs)
        self.refuse()

    def has_dim(self, let: Let) -> bool:
        """Is it a dimension, as a part of a size is? Then it is a number of each size."""
        dim = TABLE[let.op].dim
        return dim is not None and dim(*(dim_of(Traced(a, self.builder)) for a in let.args)) is not None

    def length(self, array: Any, axis: int) -> Any:
        """The size of an array along an axis."""
        if array not in self.inside:
            return dimension(Arrayed(array, self.builder), axis)
        let = self.builder.made.get(array)
        shape = TABLE[let.op].shape(let)[let.outs.index(array)] if let is not None else None
        if shape is None:
            self.refuse()
        n = shape[1][axis]
        return self.length(n.array, n.axis) if isinstance(n, Size) else self.again(n) if isinstance(n, (Var, Const)) else self.refuse()

    def refuse(self) -> NoReturn:
        raise errors.UnsupportedOperationError(
            f"the size of a result of vmap at {user_site()} is found in a lane, and may be another one in each: write into an array of a size that is known before "
            "(out = np.zeros(n); out[:] = ..), or fill up what is missing"
        )
