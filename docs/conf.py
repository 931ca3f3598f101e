"""How the site is built: Sphinx, furo and MyST, without a look at the network."""

from __future__ import annotations

import headrace

project = "Headrace"
author = "the Headrace developers"
copyright = "the Headrace developers"
version = release = headrace.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"Headrace {release}"
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

# Names of other projects in annotations; their inventories would have to be fetched.
nitpick_ignore_regex = [("py:.*", r"(?!headrace).*")]
# Inside of the package, named by docstrings that are on the site.
nitpick_ignore = [
    ("py:class", "headrace.core.kinds.Nested"),
    ("py:class", "headrace.core.placement.Placement"),
    ("py:class", "headrace.core.probe.Probe"),
    ("py:class", "headrace.core.tree.Tree"),
    ("py:class", "headrace.cubes.axis.Axis"),
    ("py:class", "headrace.cubes.places.Places"),
    ("py:class", "headrace.parts.Part"),  # a type variable
    ("py:class", "headrace.stores.layout.Layout"),
    ("py:func", "headrace.core.columns.as_column"),
    ("py:func", "headrace.core.seeds.key"),
]
