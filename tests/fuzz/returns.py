"""Programs that change what is around a function before an early return, in a recursion or in a global."""

from __future__ import annotations

from .programs import split

RETURNS = split("""
# ---- nonlocal_before_an_early_return
def f(x, n):
    s = x
    def g(p):
        nonlocal s
        if n > 2:
            s = s * 2
            return p
        s = s + 5
        return p * 2
    y = g(x)
    return y + s
ARGS = (0.3, 4)
# ---- constant_nonlocal_before_an_early_return
def f(x, n):
    k = 0
    def g(p):
        nonlocal k
        if n > 2:
            k = 1
            return p
        k = 2
        return p * 2
    y = g(x)
    return y + k
ARGS = (0.3, 4)
# ---- list_before_an_early_return
def f(x, n):
    c = [0]
    def g(p):
        if n > 2:
            c[0] = 1
            return p
        c[0] = 2
        return p * 2
    y = g(x)
    return y + c[0]
ARGS = (0.3, 4)
# ---- list_before_a_return_from_a_loop
def f(x, n):
    c = [0]
    def g(p):
        for i in range(n):
            c[0] += 1
            if i == 2:
                return p
        c[0] += 10
        return p * 2
    y = g(x)
    return y + c[0]
ARGS = (0.3, 4)
# ---- dict_argument_before_an_early_return
def g(c, p, n):
    if n > 2:
        c["a"] = p
        return p
    c["a"] = -p
    return p * 2
def f(x, n):
    c = {"a": 0.0}
    y = g(c, x, n)
    return y + 10 * c["a"]
ARGS = (0.3, 4)
# ---- attribute_before_an_early_return
class A:
    def __init__(self):
        self.v = 0.0
    def g(self, p, n):
        if n > 2:
            self.v = p
            return p
        self.v = -p
        return p * 2
def f(x, n):
    c = A()
    y = c.g(x, n)
    return y + 10 * c.v
ARGS = (0.3, 4)
# ---- nonlocal_before_a_return_from_a_loop
def f(x, n):
    s = x
    def g(p):
        nonlocal s
        for i in range(n):
            s = s * 2
            if i == 2:
                return p
        return p + s
    y = g(x)
    return y + s
ARGS = (0.3, 5)
# ---- nonlocal_before_a_bare_return
def f(x, n):
    s = x
    for i in range(n):
        def g(p):
            nonlocal s
            if i % 2:
                s = s * 0.5
                return
            s = s + p
        g(x)
    return s
ARGS = (0.3, 5)
# ---- counter_in_a_mutual_recursion
def f(x, n):
    c = 0
    def even(p, k):
        nonlocal c
        c += 1
        return p if k <= 0 else odd(math.sin(p), k - 1)
    def odd(p, k):
        return -p if k <= 0 else even(math.cos(p), k - 1)
    y = odd(x, n)
    return y + c
ARGS = (0.3, 4)
# ---- list_counted_in_a_recursion
def f(x, n):
    c = [0]
    def r(p, k):
        c[0] += 1
        return p if k <= 0 else r(math.sin(p), k - 1)
    y = r(x, n)
    return y + c[0]
ARGS = (0.3, 4)
# ---- attribute_counted_in_a_recursion
class A:
    pass
def f(x, n):
    c = A()
    c.k = 0
    def r(p, k):
        c.k += 1
        return p if k <= 0 else r(math.sin(p), k - 1)
    y = r(x, n)
    return y + c.k
ARGS = (0.3, 4)
# ---- counter_of_a_sibling_in_a_recursion
def f(x, n):
    c = 0
    def tick():
        nonlocal c
        c += 1
    def r(p, k):
        tick()
        return p if k <= 0 else r(math.sin(p), k - 1)
    y = r(x, n)
    return y + c
ARGS = (0.3, 4)
# ---- list_counted_in_fori_loop
def f(x, n):
    c = [0]
    def body(i, s):
        c[0] += 1
        return s * x
    y = lj.fori_loop(0, n, body, x)
    return y + c[0]
ARGS = (0.3, 4)
# ---- global_list_counted_in_a_loop
K = [0]
def f(x, n):
    K[0] = 0
    for i in range(n):
        K[0] += 1
    return x * K[0]
ARGS = (0.3, 6)
# ---- global_list_changed_by_a_call
K = [0.0]
def add(v):
    K[0] = K[0] + v
def f(x, n):
    K[0] = 0.0
    for i in range(n):
        add(2.0)
    if n > 2:
        add(1.0)
    return x * K[0]
ARGS = (0.3, 6)
# ---- nonlocal_in_a_recursion
def f(x, n):
    c = 0
    def r(p, k):
        nonlocal c
        c += 1
        return p if k <= 0 else r(math.sin(p), k - 1)
    u = r(x, n)
    return u + 10 * c
ARGS = (0.3, 3)
# ---- list_argument_written_in_a_recursion
def r(c, x, k):
    if k <= 0:
        return x
    c[0] = c[0] * x
    return r(c, x, k - 1)
def f(x, n):
    c = [x, 1.0]
    y = r(c, x, n)
    return c[0] * y
ARGS = (0.3, 4)
""")
