"""Graphs with shifts and operations in callback form, run as they stand: functions under way are a list of frames, a continuation is a
copy of its end. An operation gives what its function comes to `resume` with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lantern_jit.backends.python.forward import Primal, Ref
from lantern_jit.ir.core.graph import Block, Call, Edge, Function, Let, Return, Shift, Var
from lantern_jit.ir.core.op import CUT, TABLE


@dataclass
class Frame:
    f: Function
    env: dict[Var, Any]
    block: Block
    continuations: dict[str, list[Frame]] = field(default_factory=dict)
    then: Edge | None = None  # where a call that is under way goes on

    def copy(self) -> Frame:
        return replace(self, env=dict(self.env))


class ResumedError(Exception):
    """An operation in callback form has come to its continuation."""


class Continuing(Primal):
    """The interpreter, for functions that shift."""

    def let(self, let: Let, env: dict[Var, Any]) -> None:
        if TABLE[let.op].resumes:
            raise ResumedError([self.read(env, a) for a in let.args])
        if TABLE[let.op].calls != CUT:
            super().let(let, env)
            return
        try:
            self.call(let.attrs["f"], [self.read(env, a) for a in let.args])
        except ResumedError as e:
            values = [Ref(x.value.copy()) if isinstance(x, Ref) else x for x in e.args[0]]
            env.update(zip(let.outs, values, strict=True))

    def call(self, name: str, args: Sequence[Any]) -> list[Any]:
        frames = [self.frame(name, args, {})]
        while True:
            frame = frames[-1]
            for let in frame.block.lets:
                self.let(let, frame.env)
            t = frame.block.terminator
            if isinstance(t, Return):
                results = [self.read(frame.env, a) for a in t.args]
                frames.pop()
                if not frames:
                    return results
                self.resume(frames[-1], results)
            elif isinstance(t, Call):
                self.spend()
                frame.then = t.then
                self.enter(frames, t, [self.read(frame.env, a) for a in t.args])
            else:
                frame.block, values = self.step(frame.f, t, frame.env)
                frame.env.update(zip(frame.block.params, values, strict=True))

    def frame(self, name: str, args: Sequence[Any], continuations: dict[str, list[Frame]]) -> Frame:
        f = self.program.functions[name]
        return Frame(f, self.environment(zip(f.params, args, strict=True)), f.entry, continuations)

    def resume(self, frame: Frame, results: list[Any]) -> None:
        assert frame.then is not None
        values = results + [self.read(frame.env, a) for a in frame.then.args]
        frame.block = frame.f.blocks[frame.then.block]
        frame.env.update(zip(frame.block.params, values, strict=True))

    def enter(self, frames: list[Frame], t: Call, args: list[Any]) -> None:
        known = frames[-1].continuations
        if t.function in known:
            frames += [frame.copy() for frame in known[t.function]]
            self.resume(frames[-1], args)
            return
        if isinstance(t, Shift):
            start = max(i for i, frame in enumerate(frames) if frame.f.tag == t.tag)
            known = {**known, t.k: [frame.copy() for frame in frames[start:]]}
            del frames[start:]
        frames.append(self.frame(t.function, args, known))
