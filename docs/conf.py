"""How Sphinx makes the site: `python tools/docs.py`. Nothing of it is loaded from the network, then or by a reader."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # for the kernels of pages

import lantern_jit  # noqa: E402

project = "lantern_jit"
author = "the authors of lantern_jit"
project_copyright = author
version = release = lantern_jit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "myst_nb",
    "numpydoc",
]
nitpicky = False
suppress_warnings = ["config.cache"]  # the gallery's settings are objects
exclude_patterns = ["build", "templates", "gallery/**/*.ipynb"]  # the gallery has each program as a notebook, too, to be taken along
templates_path = ["templates"]
default_role = "py:obj"
html_static_path = ["static"]
html_css_files = ["site.css"]

# ---- pages
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_ipywidgets_js: dict[str, Any] = {}
nb_merge_streams = True
nb_output_stderr = "remove"  # the log, which tells of slow compilations

# ---- the API
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks = {"GL08", "SS01", "PR01", "PR02", "PR03", "RT01", "EX01"}
numpydoc_validation_exclude = {
    r"\.(errors|nn)\.",
    r"\.custom_[jv]+p\.",
    r"\.(Jitted|Specialisation|Inspection|Explanation|Finding|Memory|Row|Table)\b",
}

# ---- the gallery: the programs of examples/gallery, by subject
EXAMPLES = ROOT / "build" / "docs" / "examples"
INTRODUCTION = "Programs of 40 to 150 lines, each with its picture. They are run when this site is built."


def _with_headers(programs: pathlib.Path) -> bool:
    """A copy of the programs, in which each folder has the introduction that a gallery needs. False where there are none."""
    if not programs.is_dir():
        return False
    shutil.rmtree(EXAMPLES, ignore_errors=True)
    shutil.copytree(programs, EXAMPLES, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [EXAMPLES, *filter(pathlib.Path.is_dir, EXAMPLES.iterdir())]:
        if not any(folder.glob("GALLERY_HEADER.*")):
            title, text = ("Gallery", INTRODUCTION) if folder == EXAMPLES else (folder.name.capitalize(), "")
            (folder / "GALLERY_HEADER.rst").write_text(f"{title}\n{'=' * len(title)}\n\n{text}\n")
    return True


if _with_headers(ROOT / "examples" / "gallery"):
    extensions.append("sphinx_gallery.gen_gallery")
sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"__init__\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "min_reported_time": 1e9,  # a page says nothing of how long it took
    "write_computation_times": False,  # their pages load scripts
}

# ---- looks
html_theme = "pydata_sphinx_theme"
html_title = "lantern_jit"
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "search_bar_text": "Search",
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
}
html_sidebars = {"start": [], "tutorial": []}
pygments_style = "friendly"


# ---- formulas, as MathML: browsers draw it by themselves
def _formula(self: Any, node: Any, display: str) -> None:
    from docutils.nodes import SkipNode
    from latex2mathml.converter import convert

    made = convert(node.astext(), display=display)
    self.body.append(f'<div class="formula">{made}</div>' if display == "block" else made)
    raise SkipNode


def _cells_without_paths(app: Any, doctree: Any) -> None:
    """Messages say where: `cell:3` instead of the file that a kernel makes of it."""
    from docutils.nodes import Text

    for text in list(doctree.findall(Text)):
        if "ipykernel_" in text:
            block = text.parent
            block.replace(text, Text(re.sub(r"[^\s(\[]*/ipykernel_\d+/\d+\.py", "cell", text)))
            block.rawsource = block.astext()  # by which Sphinx knows that it may be highlighted


def _without_gallery(app: Any, page: str, source: list[str]) -> None:
    if page == "index" and "sphinx_gallery.gen_gallery" not in extensions:
        source[0] = re.sub(r"(?s)^:::\{grid-item-card\} Gallery\n.*?^:::\n|^gallery/index\n", "", source[0], flags=re.M)


def setup(app: Any) -> None:
    """Formulas need no script; outputs name no file; where there is no gallery no page names it."""
    app.connect("doctree-read", _cells_without_paths)
    app.connect("source-read", _without_gallery)
    from docutils.nodes import math, math_block

    app.add_node(math, override=True, html=(lambda self, node: _formula(self, node, "inline"), None))
    app.add_node(math_block, override=True, html=(lambda self, node: _formula(self, node, "block"), None))
