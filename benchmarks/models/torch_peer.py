"""The same networks in PyTorch: eager, by its own RNN and LSTM, and trees node by node. A maker gives a step that gives its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.models.programs import CLIP, LETTERS

Step = Callable[[], float]


def makers(torch: Any) -> dict[str, dict[str, Callable[..., Step]]]:
    """By network, and what it is called there: (params, data) -> step."""
    f = torch.nn.functional

    def tensors(params: Any) -> dict[str, Any]:
        return {k: torch.tensor(v, requires_grad=True) for k, v in params.items()}

    def trained(weights: Any, optimiser: Any, loss: Callable[[], Any], clip: bool) -> Step:
        def step() -> float:
            optimiser.zero_grad()
            value = loss()
            value.backward()
            if clip:
                torch.nn.utils.clip_grad_value_(weights, CLIP)
            optimiser.step()
            return float(value.detach())

        return step

    def characters(p: Any, loss: Callable[[], Any]) -> Step:
        return trained(list(p), torch.optim.Adagrad(p, 0.1, eps=1e-8), loss, True)

    def predicted(p: Any, hs: Any, following: Any) -> Any:
        return f.cross_entropy(hs.flatten(0, 1) @ p["out"] + p["c"], following.flatten(), reduction="sum")

    def rnn(params: Any, letters: Any, following: Any) -> Step:
        p, x, y = tensors(params), torch.tensor(letters), torch.tensor(following)

        def loss() -> Any:
            inputs, hs = p["in"][x] + p["b"], []
            h = torch.zeros(x.shape[1], p["u"].shape[0])
            for t in range(len(x)):
                h = torch.tanh(inputs[t] + h @ p["u"])
                hs.append(h)
            return predicted(p, torch.stack(hs), y)

        return characters(list(p.values()), loss)

    def lstm(params: Any, letters: Any, following: Any) -> Step:
        p, x, y = tensors(params), torch.tensor(letters), torch.tensor(following)
        n = p["u"].shape[0]

        def loss() -> Any:
            inputs, hs = p["in"][x] + p["b"], []
            h = c = torch.zeros(x.shape[1], n)
            for t in range(len(x)):
                i, g, o, z = (inputs[t] + h @ p["u"]).split(n, 1)
                c = torch.sigmoid(g) * c + torch.sigmoid(i) * torch.tanh(z)
                h = torch.sigmoid(o) * torch.tanh(c)
                hs.append(h)
            return predicted(p, torch.stack(hs), y)

        return characters(list(p.values()), loss)

    def built_in(params: Any, letters: Any, following: Any, kind: Any, order: list[int]) -> Step:
        p, x, y = tensors(params), torch.tensor(np.eye(LETTERS, dtype=np.float32)[letters]), torch.tensor(following)
        n = p["u"].shape[0]
        net = kind(LETTERS, n)
        with torch.no_grad():
            for to, name in (("weight_ih_l0", "in"), ("weight_hh_l0", "u")):
                getattr(net, to).copy_(torch.cat([p[name].T[k * n : (k + 1) * n] for k in order]))
            net.bias_ih_l0.zero_()
            net.bias_hh_l0.zero_()
        net.bias_hh_l0.requires_grad_(False)
        weights = [w for w in (*net.parameters(), p["out"], p["c"]) if w.requires_grad]
        return characters(weights, lambda: predicted(p, net(x)[0], y))

    def images(params: Any, x: Any, labels: Any, rate: float) -> Step:
        p, x, y = tensors(params), torch.tensor(x), torch.tensor(labels)

        def loss() -> Any:
            z = torch.relu(f.max_pool2d(f.conv2d(x, p["k1"], p["b1"]), 2))
            z = torch.relu(f.max_pool2d(f.conv2d(z, p["k2"], p["b2"]), 2))
            z = torch.relu(z.reshape(len(x), 320) @ p["w1"] + p["c1"])
            return f.cross_entropy(f.dropout(z, rate) @ p["w2"] + p["c2"], y)

        return trained(list(p.values()), torch.optim.SGD(p.values(), 0.01, 0.5), loss, False)

    def tree(params: Any, embeddings: Any, trees: Any) -> Step:
        p, e = tensors(params), torch.tensor(embeddings)
        n = p["out"].shape[0]
        optimiser = torch.optim.Adagrad(p.values(), 0.05, eps=1e-8)

        def loss(words: Any, left: Any, right: Any, labels: Any, root: int) -> Any:
            hs = []

            def node(i: int) -> Any:
                if left[i] < 0:
                    i_, o, u = (e[words[i]] @ p["leaf"] + p["leaf_b"]).split(n)
                    c = torch.sigmoid(i_) * torch.tanh(u)
                else:
                    (hl, cl), (hr, cr) = node(left[i]), node(right[i])
                    i_, o, fl, fr, u = (hl @ p["left"] + hr @ p["right"] + p["inner_b"]).split(n)
                    c = torch.sigmoid(i_) * torch.tanh(u) + torch.sigmoid(fl) * cl + torch.sigmoid(fr) * cr
                h = torch.sigmoid(o) * torch.tanh(c)
                hs.append(h)
                return h, c

            node(root)
            return f.cross_entropy(torch.stack(hs) @ p["out"] + p["c"], torch.tensor(labels), reduction="sum")

        lists = [tuple(a.tolist() for a in t) for t in trees]
        steps = [trained(None, optimiser, lambda t=t: loss(*t), False) for t in lists]
        return lambda: sum(step() for step in steps)

    return {
        "rnn": {"PyTorch eager": rnn, "PyTorch nn.RNN": lambda *a: built_in(*a, torch.nn.RNN, [0])},
        "lstm": {"PyTorch eager": lstm, "PyTorch nn.LSTM": lambda *a: built_in(*a, torch.nn.LSTM, [0, 1, 3, 2])},
        "images": {"PyTorch eager": images},
        "tree": {"PyTorch eager": tree},
    }
