"""Programs written by hand: control flow and structures together."""

from __future__ import annotations

import re

from .generate import HEADER


def split(text: str) -> dict[str, str]:
    """The programs of a text by name."""
    parts = re.split(r"^# ---- (\w+)\n", text, flags=re.MULTILINE)
    return {name: HEADER + "\n\n" + body for name, body in zip(parts[1::2], parts[2::2], strict=True)}


PROGRAMS = split("""
# ---- loop_variable_and_bound_assigned_in_the_loop
def f(x, n):
    i = 5
    s = x
    for i in range(n):
        s = math.sin(s) + i
        i += 10
        n -= 1
    return s * i + n
ARGS = (0.3, 4)
# ---- default_values_and_late_binding
def f(x, n):
    s = x
    def h(p, s=s):
        return p * s
    s = s * 2
    hs = [lambda p, i=i: p * i for i in range(3)]
    gs = [lambda p: p * i for i in range(3)]
    t = 0.0
    for j in range(n):
        t += h(x) + hs[1](x) + gs[0](x) * s
    return t
ARGS = (0.3, 4)
# ---- while_else_and_bools_in_arithmetic
def f(x, n):
    s = 0
    k = 1
    while k < n:
        s = s + x if k % 2 else s - x
        k = k * 2
    else:
        s = s * x
    return s + (n > 3) + (x > 0) * x + True
ARGS = (0.3, 9)
# ---- floor_division_and_powers
def f(x, n):
    m = n - 6
    q, r = divmod(m, 4)
    return (
        x**n
        + (x + 1.0) ** m
        + x // 0.07
        + (-x) % 0.07
        + q * r * x
        + (x * 3) // 1
        + n**2
        + float(m // -4)
        + (m % -4) * x
    )
ARGS = (0.3, 3)
# ---- exits_from_three_loops
def f(x, n):
    for i in range(n):
        for j in range(n):
            if j == 2:
                continue
            if i * j > 3:
                return x * i + j
            for k in range(j):
                if k == 1:
                    break
                x = math.sin(x) + k
            else:
                x = x * 0.5
                continue
            x += 1.0
        else:
            x = math.cos(x)
    return x
ARGS = (0.3, 4)
# ---- dict_and_list_in_a_loop
def f(x, n):
    d = {"a": x, "b": [x, 2.0]}
    for i in range(n):
        d["b"][0] = d["a"] * d["b"][1]
        d["a"] = math.sin(d["b"][0] + i)
        if i > 1:
            d["b"] = [d["a"], d["b"][0]]
    return d["a"] + d["b"][0] * d["b"][1]
ARGS = (0.3, 5)
# ---- list_that_grows_in_a_branch
def f(x, n):
    l = []
    for i in range(4):
        l.append(x * i)
        if n > i:
            l[i] = l[i] * 2
    t = 0.0
    for i, v in enumerate(l):
        t += v * i
    return t + sum(l) + max(l) + sum(v * v for v in l)
ARGS = (0.3, 2)
# ---- endless_loop_with_two_exits
def f(x, n):
    s = x
    while True:
        s = math.sin(s) + 0.1
        n -= 1
        if n < 0:
            if s > 0.2:
                break
            return s * 2
    return s
ARGS = (0.3, 2)
# ---- tree_recursion
def f(x, n):
    def fib(k):
        return x * k if k < 2 else math.sin(fib(k - 1)) + fib(k - 2)
    return fib(n)
ARGS = (0.3, 6)
# ---- nested_structures
def f(x, n):
    t = (x, (n, [x, 1.0]), {"k": x})
    for i in range(n):
        a, (b, [c, d]), e = t
        t = (c, (b - 1, [d, a]), {"k": e["k"] * a})
    return t[0] + t[1][0] + t[1][1][1] * t[2]["k"]
ARGS = (0.3, 6)
# ---- variable_of_both_branches
def f(x, n):
    y = x
    for i in range(n):
        if i == 0:
            z = y
        else:
            z = math.sin(y)
        y = z + 0.1
    del z
    return y
ARGS = (0.3, 3)
# ---- recursion_that_writes_into_an_array
def r(x, k, b):
    if k <= 0:
        return x
    old = b[k % 3]
    b[k % 3] = math.sin(x) * old
    y = r(b[k % 3] + 0.1, k - 1, b)
    b[(k + 1) % 3] += y
    return y * old + b[0]
def f(x, n):
    b = np.ones(3)
    s = 0.0
    for i in range(n):
        s += r(x, i % 4, b)
    return s + b[0] * b[1] * b[2]
ARGS = (0.3, 6)
# ---- loop_that_returns_in_a_local_function
def f(x, n):
    s = x
    for i in range(n):
        def step(p):
            q = p
            while q > 0.2:
                q = q * 0.7
                if q < 0.05 + 0.01 * i:
                    return p * q
            return q
        s = step(s + 0.5) + x
    return s
ARGS = (0.3, 20)
# ---- raise_and_assert_in_a_loop
def f(x, n):
    s = x
    for i in range(n):
        if i > 2:
            if s > 10.0:
                raise ValueError("no")
            assert s < 20.0, "s"
        s = math.sin(s) + 1.0
    return s
ARGS = (0.7, 14)
# ---- newton_with_break
def f(x, n):
    def newton(a, y):
        for _ in range(50):
            d = (y * y - a) / (2 * y)
            y = y - d
            if abs(d) < 1e-14:
                break
        return y
    s = 0.0
    for i in range(n):
        s = newton(x + i + 1, 1.0 + s)
    return s
ARGS = (0.3, 6)
# ---- stale_capture
def f(x, n):
    s = x
    def r(p, k):
        return p * s if k <= 0 else r(math.sin(p), k - 1)
    u = r(x, n)
    s = math.cos(s)
    return u + 10 * r(x, n)
ARGS = (0.3, 3)
# ---- break_in_the_else_of_an_inner_loop
def f(x, n):
    for _ in range(n):
        for _ in range(3):
            pass
        else:
            break
        x = x * 2
    return x
ARGS = (1.0, 3)
""")
