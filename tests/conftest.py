"""Every graph that a test makes is checked by the verifier."""

import os

os.environ.setdefault("LANTERN_VERIFY", "1")
