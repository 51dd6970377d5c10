"""The trees in DyNet, node by node, with its automatic batching of nodes that are ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], float]


def load() -> Any:
    """DyNet for one thread, with automatic batching; it has to be told when it is first imported."""
    import dynet_config  # type: ignore[import-not-found]

    dynet_config.set(mem=1024, autobatch=True, random_seed=1)
    import dynet  # type: ignore[import-not-found]

    return dynet


def makers(dy: Any) -> dict[str, dict[str, Callable[..., Step]]]:
    def tree(params: Any, embeddings: Any, trees: Any) -> Step:
        model = dy.ParameterCollection()
        p = {k: model.parameters_from_numpy(np.ascontiguousarray(v.T)) for k, v in params.items()}
        held = model, dy.AdagradTrainer(model, 0.05, eps=1e-16)  # neither keeps the other; eps is added before the root
        held[1].set_clip_threshold(0)
        n = params["out"].shape[0]
        lists = [tuple(a.tolist() for a in t) for t in trees]

        def one(words: Any, left: Any, right: Any, labels: Any, root: int) -> float:
            dy.renew_cg()
            losses = []

            def node(i: int) -> Any:
                if left[i] < 0:
                    gates = dy.affine_transform([p["leaf_b"], p["leaf"], dy.inputTensor(embeddings[words[i]])])
                    i_, o, u = (dy.pick_range(gates, k * n, (k + 1) * n) for k in range(3))
                    c = dy.cmult(dy.logistic(i_), dy.tanh(u))
                else:
                    (hl, cl), (hr, cr) = node(left[i]), node(right[i])
                    gates = dy.affine_transform([p["inner_b"], p["left"], hl, p["right"], hr])
                    i_, o, fl, fr, u = (dy.pick_range(gates, k * n, (k + 1) * n) for k in range(5))
                    c = dy.cmult(dy.logistic(i_), dy.tanh(u)) + dy.cmult(dy.logistic(fl), cl) + dy.cmult(dy.logistic(fr), cr)
                h = dy.cmult(dy.logistic(o), dy.tanh(c))
                losses.append(dy.pickneglogsoftmax(dy.affine_transform([p["c"], p["out"], h]), labels[i]))
                return h, c

            node(root)
            loss = dy.esum(losses)
            value = loss.value()
            loss.backward()
            held[1].update()
            return float(value)

        return lambda: sum(one(*t) for t in lists)

    return {"tree": {"DyNet, autobatch": tree}}
