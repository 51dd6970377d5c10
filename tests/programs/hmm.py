"""A hidden Markov model in logarithms: likelihood, the best path, and what the states probably were."""

import math

import numpy as np

NEG_INF = float("-inf")


def logsumexp(values):
    top = max(values)
    if top == NEG_INF:
        return NEG_INF
    return top + math.log(sum(math.exp(v - top) for v in values))


def normalise(row):
    total = logsumexp(row)
    return [v - total for v in row]


class Gaussian:
    def __init__(self, mean, sd=1.0):
        self.mean = mean
        self.sd = sd

    def log_density(self, y):
        z = (y - self.mean) / self.sd
        return -0.5 * z * z - math.log(self.sd) - 0.5 * math.log(2 * math.pi)


class HMM:
    def __init__(self, start, transitions, emissions):
        self.log_start = normalise(start)
        self.log_transitions = [normalise(row) for row in transitions]
        self.emissions = emissions
        self.n_states = len(emissions)

    def _emit(self, y):
        return [e.log_density(y) for e in self.emissions]

    def forward(self, ys):
        alpha = [a + b for a, b in zip(self.log_start, self._emit(ys[0]))]
        table = [alpha]
        for y in ys[1:]:
            e = self._emit(y)
            alpha = [
                logsumexp([table[-1][i] + self.log_transitions[i][j] for i in range(self.n_states)]) + e[j] for j in range(self.n_states)
            ]
            table.append(alpha)
        return table

    def backward(self, ys):
        table = [[0.0] * self.n_states]
        for y in reversed(ys[1:]):
            e = self._emit(y)
            after = table[0]
            row = [logsumexp([self.log_transitions[i][j] + e[j] + after[j] for j in range(self.n_states)]) for i in range(self.n_states)]
            table.insert(0, row)
        return table

    def log_likelihood(self, ys):
        return logsumexp(self.forward(ys)[-1])

    def posterior(self, ys):
        alpha, beta = self.forward(ys), self.backward(ys)
        return [[math.exp(v) for v in normalise([a + b for a, b in zip(ra, rb)])] for ra, rb in zip(alpha, beta)]

    def viterbi(self, ys):
        score = [a + b for a, b in zip(self.log_start, self._emit(ys[0]))]
        pointers = []
        for y in ys[1:]:
            e = self._emit(y)
            new, back = [], []
            for j in range(self.n_states):
                best, arg = None, 0
                for i in range(self.n_states):
                    s = score[i] + self.log_transitions[i][j]
                    if best is None or s > best:
                        best, arg = s, i
                new.append(best + e[j])
                back.append(arg)
            score = new
            pointers.append(back)
        state = score.index(max(score)) if not hasattr(score, "argmax") else int(np.argmax(score))
        path = [state]
        for back in reversed(pointers):
            state = back[state]
            path.append(state)
        return max(score), path[::-1]


def build(theta):
    n = len(theta["means"])
    emissions = [Gaussian(m, math.exp(s)) for m, s in zip(theta["means"], theta["log_sds"])]
    stay = theta["stay"]
    transitions = [[stay if i == j else 0.0 for j in range(n)] for i in range(n)]
    return HMM([0.0] * n, transitions, emissions)


def loss(theta, ys):
    model = build(theta)
    penalty = sum(m**2 for m in theta["means"])
    return -model.log_likelihood(ys) / len(ys) + 0.01 * penalty


def best_path(theta, ys):
    return build(theta).viterbi(ys)


def smoothed_mean(theta, ys):
    model = build(theta)
    return [sum(p * e.mean for p, e in zip(row, model.emissions)) for row in model.posterior(ys)]
