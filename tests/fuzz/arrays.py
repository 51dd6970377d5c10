"""Programs written by hand: arrays that are written, and derivatives inside a program."""

from __future__ import annotations

from .programs import split

ARRAYS = split("""
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
# ---- argument_written
def f(a, x, n):
    a[0] = x
    for i in range(1, len(a)):
        a[i] += a[i - 1] * x
    return a[-1] + a[n]
ARGS = (np.array([1.0, 2.0, 3.0]), 0.3, 1)
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
# ---- loop_through_an_array_with_stores
def f(x, n):
    b = np.zeros(8)
    b[0] = x
    for i in range(n):
        k = i % 7
        b[k + 1] = math.sin(b[k]) + b[k + 1] * 0.5
        b[k] *= 0.9
        b[(k * 3) % 8] = b[k] * b[k + 1]
    return b[0] + b[3] * b[7]
ARGS = (0.3, 40)
# ---- arrays_made_in_a_loop
def f(x, n):
    s = x
    for i in range(n):
        b = np.zeros(3)
        b[i % 3] = s
        b[0] += b[1] * x + 0.1
        c = b.copy()
        c[2] = b[0] * c[1]
        s = math.sin(b[0] + c[2]) + b[2]
    return s
ARGS = (0.3, 20)
# ---- derivative_with_respect_to_an_array_that_is_written
def f(x, n):
    def g(y, b):
        b[1] = y * b[0]
        for i in range(n):
            b[i % 2] = math.sin(b[0] * b[1]) + y
        return b[0]
    b = np.zeros(2)
    b[0] = x
    da = lj.grad(g, 1)(x, b)
    return da[0] * b[1] + lj.grad(g)(x, da) + b[0]
ARGS = (0.7, 4)
""")
