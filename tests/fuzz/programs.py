"""Programs written by hand: control flow, arrays and structures together."""

from __future__ import annotations

import re

from .generate import HEADER


def split(text: str) -> dict[str, str]:
    """The programs of a text by name."""
    parts = re.split(r"^# ---- (\w+)\n", text, flags=re.MULTILINE)
    return {name: HEADER + "\n\n" + body for name, body in zip(parts[1::2], parts[2::2], strict=True)}


PROGRAMS = split("""
# ---- swap_of_two_arrays_in_a_loop
def f(x, n):
    b = np.zeros(3)
    c = np.ones(3)
    for i in range(n):
        b[0] = math.sin(x) + c[1] * 0.5
        c[1] += 0.3 * b[0]
        b, c = c, b
    return b[0] + 2 * b[1] + 3 * c[0] + 4 * c[1]
ARGS = (0.3, 3)

# ---- array_chosen_by_a_condition
def f(x, n):
    b = np.zeros(3)
    c = np.ones(3)
    d = b if n > 2 else c
    d[0] = x * x
    d[1] += d[0] * x
    return b[0] + 2 * b[1] + 3 * c[0] + 4 * c[1]
ARGS = (0.3, 3)

# ---- array_variable_that_changes_in_a_loop
def f(x, n):
    b = np.zeros(3)
    c = np.ones(3)
    d = b
    for i in range(n):
        d[i % 3] += x
        d = c if i % 2 == 0 else b
    return b[0] + 2 * b[1] + 3 * c[0] + 4 * c[1]
ARGS = (0.3, 4)

# ---- one_array_given_twice_to_a_recursion
def f(x, n):
    b = np.zeros(3)

    def r(p, q, k):
        if k <= 0:
            return p[0] * q[1]
        p[0] += x * q[1]
        q[1] = math.sin(p[0])
        return r(q, p, k - 1) + p[2]

    return r(b, b, n) + b[0]
ARGS = (0.3, 4)

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

# ---- loop_over_an_array_that_it_writes
def f(x, n):
    b = np.zeros(6)
    b[0] = x
    j = 0
    s = 0.0
    for v in b:
        if j < 5:
            b[j + 1] = math.sin(v) + 0.5
        j += 1
        s += v * j
    return s
ARGS = (0.3, 4)

# ---- index_guarded_by_a_condition
def f(x, a, i):
    return a[i] if 0 <= i < len(a) else x * x
ARGS = (0.3, np.array([1.0, 2.0]), 7)

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

# ---- argument_written
def f(a, x, n):
    a[0] = x
    for i in range(1, len(a)):
        a[i] += a[i - 1] * x
    return a[-1] + a[n]
ARGS = (np.array([1.0, 2.0, 3.0]), 0.3, 1)

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

# ---- derivative_in_a_loop
def f(x, n):
    b = np.zeros(3)

    def h(y):
        b[0] = y * y
        b[1] += y
        return b[0] * b[1]

    t = 0.0
    for i in range(n):
        t += lj.grad(lambda y: y * y * math.sin(t + y))(x)
    h(x)
    h(t)
    return t + b[0] + b[1]
ARGS = (0.3, 2)

# ---- derivative_of_a_derivative_with_arrays
def f(x, n):
    def g(y):
        b = np.zeros(4)
        for i in range(n):
            b[i % 4] += y * (b[(i + 3) % 4] + 1.0)
        return b[0] + b[1] * b[3]

    def h(z):
        return lj.grad(g)(z) * z + lj.grad(lambda w: g(w) * x)(z)

    return lj.grad(h)(x) + h(x)
ARGS = (0.3, 6)

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

# ---- alias_of_a_list_in_a_branch
def f(x, n):
    c = [x, 1.0]
    d = c
    if n > 2:
        d[0] = x * x
    return c[0]
ARGS = (0.3, 4)

# ---- alias_of_a_list_in_a_loop
def f(x, n):
    c = [x, 1.0]
    d = c
    for i in range(n):
        d[0] = x * d[0]
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
""")
