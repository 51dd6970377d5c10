"""What tracing leaves behind is cleared away: passes that make work for each other, until none of them finds any.

They keep results, errors and gradients bit for bit.
"""

from __future__ import annotations

from ..step import Local, Repeat
from .blocks import blocks
from .bounds import bounds
from .dead import dead
from .fold import fold
from .fresh import fresh
from .selects import selects
from .share import share
from .squares import squares
from .updates import updates

SIMPLIFY = Repeat(
    "simplify",
    (
        Local("fold", fold),
        Local("share", share),
        Local("squares", squares),
        Local("blocks", blocks),
        Local("selects", selects),
        Local("dead", dead),
        Local("bounds", bounds),
    ),
    last=(Local("updates", updates), Local("fresh", fresh)),
)
