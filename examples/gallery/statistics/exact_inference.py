"""
Exact inference by shift and reset
==================================

A probabilistic program draws coins and observes. To enumerate what may have happened, a coin runs *the rest of the program* twice, once for
each side, and adds what they give, weighted; an observation that fails gives 0 and does not run the rest. That is what `shift` is
for: it hands over the rest of the program as a function. The sum is the probability of the evidence, and its gradient is exact, too.
"""

import sys

import numpy as np

import lantern_jit as lj


def flip(p):
    return lj.shift(lambda k: p * k(True) + (1.0 - p) * k(False))


def observe(likelihood):
    """What was seen had this probability: weigh the rest of the program by it."""
    return lj.shift(lambda k: likelihood * k(None) if likelihood > 0.0 else 0.0)


def probability(program, *args):
    """The sum of the weights of all runs."""
    return lj.reset(lambda: 1.0 * program(*args))


# %%
# A burglar alarm (Pearl, 1988). Programs return whether what is asked for is the case; with `True` it is the evidence alone.


def alarm(p, ask):
    burglary, earthquake = flip(p["burglary"]), flip(p["earthquake"])
    if burglary:
        rings = flip(p["both"]) if earthquake else flip(p["by a burglar"])
    else:
        rings = flip(p["by an earthquake"]) if earthquake else flip(p["by itself"])
    observe(p["John calls"] if rings else 0.05)
    observe(p["Mary calls"] if rings else 0.01)
    return burglary if ask else True


PRIOR = {
    "burglary": 0.001,
    "earthquake": 0.002,
    "both": 0.95,
    "by a burglar": 0.94,
    "by an earthquake": 0.29,
    "by itself": 0.001,
    "John calls": 0.9,
    "Mary calls": 0.7,
}


def burglary_given_calls(p):
    return probability(alarm, p, True) / probability(alarm, p, False)


# %%
# A machine wears out at some time of each of its days, and what it makes then is more often faulty. The loop has 2**days runs, but a machine
# that is worn out stays so: the rest of the program is run with what it needs, and the program is a recursion of its own. The chance
# of wear and of faults is found by following the gradient of the log evidence.


def machine(theta, faulty):
    wear, fresh, worn = theta
    is_worn = False
    for fault in faulty:
        if not is_worn:
            is_worn = flip(wear)
        rate = worn if is_worn else fresh
        observe(rate if fault else 1.0 - rate)
    return True


def loss(logits, faulty):
    return -np.log(probability(machine, 1.0 / (1.0 + np.exp(-logits)), faulty))


def by_hand(theta, faulty):
    """The peer: the sum over the day on which the machine wore out."""
    wear, fresh, worn = theta
    good, bad = np.where(faulty, fresh, 1 - fresh), np.where(faulty, worn, 1 - worn)
    days = [np.prod(good[:day]) * np.prod(bad[day:]) * (1 - wear) ** day * wear for day in range(len(faulty))]
    return sum(days) + np.prod(good) * (1 - wear) ** len(faulty)


def main(days=60, steps=300, seed=0):
    given, slopes = lj.jit(lj.value_and_grad(burglary_given_calls))(PRIOR)
    print(f"a burglary, given that both call: {given:.6f}")
    print("it moves most with", sorted(slopes, key=lambda name: -abs(slopes[name] * PRIOR[name]))[:3])
    rng = np.random.default_rng(seed)
    faulty = rng.random(days) < np.where(np.arange(days) < 2 * days // 3, 0.1, 0.6)
    objective, logits, history = lj.jit(lj.value_and_grad(loss)), np.array([-2.0, -1.0, 1.0]), []
    for _ in range(steps):
        value, slope = objective(logits, faulty)
        logits = logits - 0.2 * slope
        history.append(value)
    theta = 1 / (1 + np.exp(-logits))
    print(f"log evidence {-history[0]:.3f} -> {-history[-1]:.3f}; wear {theta[0]:.3f}, faults {theta[1]:.3f} and {theta[2]:.3f}")
    print(f"summed by hand {np.log(by_hand(theta, faulty)):.3f}")
    return {"given": given, "slopes": slopes, "theta": theta, "history": history, "faulty": faulty}


def picture(found):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.barh(list(PRIOR), [found["slopes"][name] * PRIOR[name] for name in PRIOR])
    left.set(title="a burglary, given both calls", xlabel="its derivative by the log of each probability")
    right.plot(-np.array(found["history"]))
    right.set(xlabel="step", ylabel="log evidence of the machine's faults")
    return figure


if __name__ == "__main__":
    figure = picture(main())
    if sys.argv[1:]:
        figure.savefig(sys.argv[1], dpi=120)
