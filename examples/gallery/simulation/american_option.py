"""
An American option and its Greeks, to the third order
=====================================================

The right to sell a share for K at any time until the year is over has no formula; a binomial tree gives its price by going back from the
end, and deciding at each node between selling and waiting. What a trader wants besides are the Greeks, its derivatives up to the third order. They
are `grad`, once, twice, three times, mixed as one likes.

A tree that starts from the payoff is made of straight pieces in the price of the share: its second derivative is 0 almost everywhere. So the last
step is Black's and Scholes' formula (Broadie and Detemple, 1996), which is smooth.
"""

import sys
import time

import numpy as np
from scipy.special import erfc

import lantern_jit as lj


def below(x):
    """The probability that a normal variable is below x."""
    return 0.5 * erfc(-x / np.sqrt(2.0))


def european(s, k, rate, vol, years):
    """Black's and Scholes' price of a put."""
    d1 = (np.log(s / k) + (rate + 0.5 * vol**2) * years) / (vol * np.sqrt(years))
    d2 = d1 - vol * np.sqrt(years)
    return k * np.exp(-rate * years) * below(-d2) - s * below(-d1)


def put(s, k, rate, vol, years, steps, american):
    dt = years / steps
    up = np.exp(vol * np.sqrt(dt))
    p = (np.exp(rate * dt) - 1.0 / up) / (up - 1.0 / up)
    share = s * up ** np.arange(1.0 - steps, steps, 2.0)
    price = european(share, k, rate, vol, dt)
    for _ in range(steps - 1):
        if american:
            price = np.maximum(price, k - share)
        share = share[1:] / up
        price = np.exp(-rate * dt) * (p * price[1:] + (1.0 - p) * price[:-1])
    return np.maximum(price, k - share)[0] if american else price[0]


# %%
# The Greeks: by the share's price s (0), the volatility (3) and the time (4), each compiled for itself.


def by(f, *path):
    for argnum in path:
        f = lj.grad(f, argnum)
    return lj.jit(f)


GREEKS = {
    "price": (),
    "delta": (0,),
    "vega": (3,),
    "theta": (4,),
    "gamma": (0, 0),
    "vanna": (0, 3),
    "speed": (0, 0, 0),
    "zomma": (0, 0, 3),
}
TREE = {name: by(put, *path) for name, path in GREEKS.items()}
FORMULA = {name: by(european, *path) for name, path in GREEKS.items()}
CASE = (95.0, 100.0, 0.05, 0.25, 1.0)  # share, K, interest, volatility, years


def main(steps=400, names=tuple(GREEKS), shares=21):
    start = time.perf_counter()
    formula = {name: FORMULA[name](*CASE) for name in names}
    tree = {name: TREE[name](*CASE, steps, False) for name in names}
    american = {name: TREE[name](*CASE, steps, True) for name in names}
    compiled = time.perf_counter()
    for name in names:
        TREE[name](*CASE, steps, True)
    print(
        f"{steps} steps: {len(names)} Greeks in {time.perf_counter() - compiled:.3f} s; all of them, compiled, in {compiled - start:.1f} s"
    )
    print(f"{'':10}{'European':>12}{'by the tree':>14}{'American':>12}")
    for name in names:
        print(f"{name:10}{formula[name]:12.6f}{tree[name]:14.6f}{american[name]:12.6f}")
    grid = np.linspace(75.0, 125.0, shares)
    curves = {name: ([TREE[name](s, *CASE[1:], steps, True) for s in grid], [FORMULA[name](s, *CASE[1:]) for s in grid]) for name in names}
    return {"formula": formula, "tree": tree, "american": american, "grid": grid, "curves": curves}


def picture(found):
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 4, figsize=(12, 5.5), layout="constrained")
    for axes, (name, (american, formula)) in zip(panels.flat, found["curves"].items(), strict=True):
        axes.plot(found["grid"], american, label="American")
        axes.plot(found["grid"], formula, "--", label="European")
        axes.set(title=name, xlabel="share")
    panels[0, 0].legend()
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
