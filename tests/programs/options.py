"""Prices of options: a formula, a tree, and simulated paths."""

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass
class Market:
    spot: float
    rate: float
    volatility: float
    dividend: float = 0.0

    def discount(self, t):
        return math.exp(-self.rate * t)

    def forward(self, t):
        return self.spot * math.exp((self.rate - self.dividend) * t)


@dataclass(frozen=True)
class Option:
    strike: float
    maturity: float
    kind: str = "call"
    american: bool = False

    def __post_init__(self):
        if self.kind not in ("call", "put"):
            raise ValueError(f"kind must be 'call' or 'put', not {self.kind!r}")

    @property
    def sign(self):
        return 1 if self.kind == "call" else -1

    def payoff(self, s):
        return max(self.sign * (s - self.strike), 0.0)


def normal_cdf(x):
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


def black_scholes(option, market):
    t, k = option.maturity, option.strike
    if t <= 0:
        return option.payoff(market.spot)
    sd = market.volatility * math.sqrt(t)
    f = market.forward(t)
    d1 = math.log(f / k) / sd + sd / 2
    d2 = d1 - sd
    w = option.sign
    return market.discount(t) * w * (f * normal_cdf(w * d1) - k * normal_cdf(w * d2))


def binomial(option, market, steps=10):
    dt = option.maturity / steps
    up = math.exp(market.volatility * math.sqrt(dt))
    down = 1 / up
    p = (math.exp((market.rate - market.dividend) * dt) - down) / (up - down)
    if not 0 < p < 1:
        raise ArithmeticError(f"the tree has probability {p}: take more than {steps} steps")
    discount = market.discount(dt)
    values = [option.payoff(market.spot * up**j * down ** (steps - j)) for j in range(steps + 1)]
    for i in reversed(range(steps)):
        new = []
        for j in range(i + 1):
            v = discount * (p * values[j + 1] + (1 - p) * values[j])
            if option.american:
                v = max(v, option.payoff(market.spot * up**j * down ** (i - j)))
            new.append(v)
        values = new
    return values[0]


def monte_carlo(option, market, draws, barrier=None):
    """A knock-out option if there is a barrier; antithetic paths."""
    n_paths, n_steps = draws.shape
    dt = option.maturity / n_steps
    drift = (market.rate - market.dividend - 0.5 * market.volatility**2) * dt
    total, alive = 0.0, 0
    for path in draws:
        for sign in (1.0, -1.0):
            s = market.spot
            for z in path:
                s *= math.exp(drift + sign * market.volatility * math.sqrt(dt) * z)
                if barrier is not None and s >= barrier:
                    break
            else:
                total += option.payoff(s)
                alive += 1
    if alive == 0:
        return 0.0
    return market.discount(option.maturity) * total / (2 * n_paths)


METHODS = {"formula": black_scholes, "tree": binomial, "paths": monte_carlo}


def price(option, market, method="formula", **settings):
    try:
        f = METHODS[method]
    except KeyError:
        raise ValueError(f"unknown method {method!r}") from None
    return f(option, market, **settings)


def portfolio(market, positions, bump=0.0, draws=None):
    """The value of (quantity, option, method) positions in a shifted market."""
    shifted = replace(market, spot=market.spot * (1.0 + bump)) if bump else market
    total = 0.0
    for quantity, option, method in positions:
        if method == "paths":
            value = price(option, shifted, method, draws=draws, barrier=1.4 * option.strike)
        else:
            value = price(option, shifted, method)
        total += quantity * value
    return total


def implied_volatility(target, option, market, low=1e-3, high=3.0, tol=1e-10):
    """Bisection."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if black_scholes(option, replace(market, volatility=middle)) > target:
            high = middle
        else:
            low = middle
        if high - low < tol:
            return middle
    raise RuntimeError("no convergence")


def smile_error(market, quotes):
    chain = [Option(k, 0.5) for k in (90.0, 100.0, 110.0)]
    errors = [(price(o, market) - q) / q for o, q in zip(chain, quotes)]
    return np.sqrt(np.mean(np.square(errors)))
