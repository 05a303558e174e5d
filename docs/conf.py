"""How Sphinx makes the book. `build.py` gathers what it reads, and calls it."""

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT)]
# Where nbformat finds this grammar of web addresses, it compiles it for seconds, but it checks none.
sys.modules.setdefault("rfc3987_syntax", None)

import torch  # noqa: E402, F401  once, before Sphinx starts its processes

import perceiver_edu  # noqa: E402  from this repository

REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
OWNER, NAME = REPOSITORY.split("/")[-2:]
PAGES = f"https://{OWNER}.github.io/{NAME}"  # where .github/workflows/pages.yml publishes the book

project, author = "perceiver_edu", "the perceiver-edu contributors"
version = release = perceiver_edu.__version__
copyright = f"2026, {author}"
root_doc = "index"
language = "en"  # `build.py` names another, and transforms/languages.py says what that changes

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    *(f"transforms.{name}" for name in ("foldings", "formulas", "sources", "pictures", "terms")),
    *(f"transforms.{name}" for name in ("docstrings", "searching", "actions", "languages")),
]
book_root, book_repository, book_pages = ROOT, REPOSITORY, PAGES
exclude_patterns = ["_readme"]  # the front page includes them

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # no widget is stored in a notebook, so no page needs the widgets' scripts
nb_merge_streams = True
nb_render_markdown_format = "gfm"  # of outputs, which may hold tables
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = False
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_use_type_comments = False  # there are none, and it would parse every function to see that
autodoc_preserve_defaults = True  # as they are written, and not as paths of the machine that builds the book
autodoc_inherit_docstrings = False
add_module_names = False
python_display_short_literal_types = True

html_theme = "sphinx_book_theme"
html_title = f"perceiver_edu {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files, html_js_files = ["book.css"], ["book.js"]
html_favicon = "_static/favicon.svg"
html_search_scorer = str(DOCS / "_static/scorer.js")
html_use_index = html_domain_indices = False  # the search finds more
html_copy_source = html_show_sourcelink = False
html_context = {"default_mode": "auto"}
# The table of contents takes longer than all else on a page, and a hundred pages show source code only.
html_sidebars = {"_modules/**": ["navbar-logo.html", "search-button-field.html"]}
html_theme_options = {
    "repository_url": REPOSITORY,
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "article_header_end": ["actions.html", "article-header-buttons.html"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "show_navbar_depth": 1,
    "max_navbar_depth": 1,  # the headings of a page are beside it
    "collapse_navbar": True,  # deeper entries are left out before they are made, not afterwards
    "navbar_persistent": [],  # no second search field above the page
    "home_page_in_toc": True,
    "logo": {"text": f"perceiver_edu {release}"},
    "toc_title": "On this page",
    "footer_content_items": ["copyright.html"],
}
