"""Every graph that a test makes is checked by the verifier; compiled code is kept in a folder of this run alone."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("LANTERN_VERIFY", "1")
_FOLDER = tempfile.mkdtemp(prefix="lantern-tests-")
os.environ["LANTERN_CACHE_DIR"] = _FOLDER
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
