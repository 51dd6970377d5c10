"""A small neural network: layers, activations by name, an optimiser with momentum, a training loop."""

import numpy as np


def relu(x):
    return np.maximum(x, 0.0)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


ACTIVATIONS = {"relu": relu, "tanh": np.tanh, "sigmoid": sigmoid, None: lambda x: x}


class Layer:
    def parameters(self):
        return []

    def __call__(self, x):
        raise NotImplementedError


class Dense(Layer):
    def __init__(self, weights, bias, activation=None):
        if activation not in ACTIVATIONS:
            raise KeyError(f"no activation {activation!r}: choose from {sorted(k for k in ACTIVATIONS if k)}")
        self.weights = weights
        self.bias = bias
        self.activation = activation
        self.last_input = None
        self.last_output = None

    def __call__(self, x):
        self.last_input = x
        self.last_output = ACTIVATIONS[self.activation](x @ self.weights + self.bias)
        return self.last_output

    def backward(self, delta):
        out = self.last_output
        if self.activation == "tanh":
            delta = delta * (1.0 - out**2)
        elif self.activation == "relu":
            delta = delta * (out > 0)
        elif self.activation == "sigmoid":
            delta = delta * out * (1.0 - out)
        grad_weights = self.last_input.T @ delta
        grad_bias = delta.sum(axis=0)
        return delta @ self.weights.T, [grad_weights, grad_bias]

    def parameters(self):
        return [self.weights, self.bias]

    def update(self, steps):
        self.weights = self.weights + steps[0]
        self.bias = self.bias + steps[1]


class Network:
    def __init__(self, layers):
        self.layers = list(layers)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, delta):
        grads = []
        for layer in reversed(self.layers):
            delta, g = layer.backward(delta)
            grads.append(g)
        return grads[::-1]


class Momentum:
    def __init__(self, rate, momentum=0.9, decay=0.0):
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.velocity = None

    def step(self, network, grads):
        if self.velocity is None:
            self.velocity = [[np.zeros_like(p) for p in layer.parameters()] for layer in network.layers]
        for k, (layer, gs) in enumerate(zip(network.layers, grads)):
            for i, (p, g) in enumerate(zip(layer.parameters(), gs)):
                self.velocity[k][i] = self.momentum * self.velocity[k][i] - self.rate * (g + self.decay * p)
            layer.update(self.velocity[k])


def mse(prediction, target):
    return ((prediction - target) ** 2).mean()


def train(params, x, y, epochs=8, batch=5):
    """The losses after each epoch."""
    network = Network(
        [
            Dense(params["w1"], params["b1"], "tanh"),
            Dense(params["w2"], params["b2"], activation="sigmoid"),
            Dense(params["w3"], params["b3"]),
        ]
    )
    optimiser = Momentum(params["rate"], decay=1e-3)
    history = []
    best = None
    for epoch in range(epochs):
        for start in range(0, len(x), batch):
            xb, yb = x[start : start + batch], y[start : start + batch]
            prediction = network(xb)
            delta = 2.0 * (prediction - yb) / prediction.size
            optimiser.step(network, network.backward(delta))
        loss = mse(network(x), y)
        history.append(loss)
        if best is None or loss < best[1]:
            best = (epoch, loss)
    return best[1], history


def objective(params, x, y):
    best, history = train(params, x, y)
    return history[-1] + 0.1 * best
