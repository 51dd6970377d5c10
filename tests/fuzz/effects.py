"""Programs that change variables, lists, dicts and attributes through calls, in branches, loops and expressions."""

from __future__ import annotations

from .programs import split

EFFECTS = split("""
# ---- list_written_by_a_call_in_and_or
def f(x, n):
    c = [0.0, 0]
    def tick(p):
        c[0] = c[0] + x
        c[1] += 1
        return p
    ok = tick(n > 2) and tick(n > 5) and tick(n > 1)
    if tick(n > 3) or tick(True):
        c[0] *= 2.0
    return c[0] * x + c[1]
ARGS = (0.3, 4)
# ---- nonlocal_in_a_conditional_expression
def f(x, n):
    s = 0.0
    def g():
        nonlocal s
        s = s + x
        return s
    for i in range(n):
        s += g() * s
    t = s
    t += g() if n > 3 else s
    return t + s
ARGS = (0.3, 4)
# ---- list_written_by_a_call_in_a_branch
def f(x, n):
    c = [x, 1.0]
    def tick(p):
        c[0] = c[0] + p
    if n > 2:
        tick(x)
    return c[0]
ARGS = (0.3, 4)
# ---- list_written_by_a_call_in_a_loop
def f(x, n):
    c = [x, 1.0]
    def tick(p):
        c[0] = c[0] + p
    for i in range(n):
        tick(x)
    return c[0]
ARGS = (0.3, 4)
# ---- list_in_a_tuple_written_in_a_loop
def f(x, n):
    c = [x, 1.0]
    t = (c, 2.0)
    for i in range(n):
        t[0][0] = x * t[0][0]
    return c[0]
ARGS = (0.3, 4)
# ---- list_argument_written_in_a_branch
def put(c, v):
    c[0] = v
def f(x, n):
    c = [x, 1.0]
    if n > 3:
        put(c, x * x)
    return c[0]
ARGS = (0.3, 4)
# ---- dict_argument_written_in_a_loop
def put(c, v):
    c["k"] += v
def f(x, n):
    c = {"k": x}
    for i in range(n):
        put(c, x * x)
    return c["k"]
ARGS = (0.3, 4)
# ---- attribute_written_by_a_method
class P:
    def __init__(self, v):
        self.v = v
    def step(self, x):
        self.v = self.v * x
def f(x, n):
    p = P(x)
    for i in range(n):
        p.step(x)
    return p.v
ARGS = (0.3, 4)
# ---- nonlocal_in_and
def f(x, n):
    s = x
    def g():
        nonlocal s
        s = s * 2
        return True
    if n > 2 and g():
        s = s + 1.0
    t = s if not g() else -s
    while n > 0 and g():
        n -= 1
    return t + s
ARGS = (0.3, 4)
# ---- nonlocal_of_a_sibling_in_a_loop
def f(x, n):
    s = x
    def g():
        nonlocal s
        s = s * 2
        return s
    def h(k):
        for i in range(k):
            g()
        return s
    return h(n) + s
ARGS = (0.3, 4)
# ---- nonlocal_two_levels_up
def f(x, n):
    s = x
    def g():
        nonlocal s
        def gg():
            nonlocal s
            s = s * 2
        if n > 1:
            gg()
        return s
    return g() + s
ARGS = (0.3, 4)
# ---- list_set_to_a_constant_by_a_call_in_a_branch
def f(x, n):
    c = [0.0]
    def tick():
        c[0] = 5.0
    if n > 7:
        tick()
    return c[0] * x
ARGS = (0.3, 4)
# ---- list_counted_by_a_call_in_a_loop
def f(x, n):
    c = [0]
    def tick():
        c[0] += 1
    for i in range(n):
        tick()
    return c[0] * x
ARGS = (0.3, 4)
# ---- attribute_counted_in_a_loop
class Counter:
    def __init__(self):
        self.n = 0
    def step(self):
        self.n += 1
def f(x, n):
    c = Counter()
    while n > 0:
        c.step()
        n -= 1
    return c.n * x
ARGS = (0.3, 4)
# ---- counter_in_and
def f(x, n):
    k = 0
    def g():
        nonlocal k
        k += 1
        return True
    if n > 7 and g():
        x = x * 2
    return k * x
ARGS = (0.3, 4)
# ---- counter_in_a_conditional_expression
def f(x, n):
    k = 0
    def g():
        nonlocal k
        k += 1
        return x
    y = g() if n > 7 else x
    return k * y
ARGS = (0.3, 4)
# ---- counter_of_a_sibling
def f(x, n):
    k = 0
    def g():
        nonlocal k
        k += 1
    def h():
        if n > 7:
            g()
    h()
    return k * x
ARGS = (0.3, 4)
# ---- list_that_grows_by_a_call_in_a_branch
def f(x, n):
    l = []
    def put(v):
        l.append(v)
    if n > 7:
        put(1.0)
    return len(l) * x
ARGS = (0.3, 4)
# ---- alias_of_a_list_in_a_branch
def f(x, n):
    c = [x, 1.0]
    d = c
    if n > 2:
        d[0] = x * x
    return c[0]
ARGS = (0.3, 4)
# ---- list_in_a_tuple_written_in_a_branch
def f(x, n):
    c = [x, 1.0]
    for v in (c, [x * 2, x]):
        if n > 2:
            v[0] = x * x
    return c[0]
ARGS = (0.3, 4)
# ---- nonlocal_through_two_calls_in_a_branch
def f(x, n):
    s = x
    def g():
        nonlocal s
        s = s * 2
        return s
    def h():
        return g() + 1.0
    if n > 2:
        h()
    return s
ARGS = (0.3, 4)
# ---- alias_of_a_list_in_a_loop
def f(x, n):
    c = [x, 1.0]
    d = c
    for i in range(n):
        d[0] = x * d[0]
    return c[0]
ARGS = (0.3, 4)
""")
