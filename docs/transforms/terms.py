"""The glossary's headings become terms: `{term}` links to them, and so does the first use on each page.

A link to a term carries its definition as its title, which `book.js` shows on hover and on focus.
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

GLOSSARY = "docs/glossary"
CHAPTERS = ("notebooks/",)  # where first uses are linked
HAN = re.compile(r"[\u3400-\u9fff]")
NOT_IN = (nodes.reference, nodes.literal, nodes.title, nodes.raw, nodes.math, nodes.strong)


def collect(app, document):
    """Note every third-level heading of the glossary as a term, with the sentence below it."""
    if app.env.docname != GLOSSARY:
        return
    terms = app.env.book_terms = {}
    for section in document.findall(nodes.section):
        if sum(isinstance(above, nodes.section) for above in ancestors(section, document)) == 2:
            # In another language, the English term is behind it in brackets: "潜在向量（latent）".
            title, anchor = section[0].astext(), section["ids"][0]
            name = title.partition("（")[0]
            if name != title:  # so that a search for the term alone finds its heading
                section.append(addnodes.index(entries=[("single", name, anchor, "main", None)]))
            definition = re.sub(r"\s*\d\d$", "", section[1].astext())  # without the link to its notebook
            terms[name] = anchor, definition
            app.env.domains.standard_domain.note_object("term", name.lower(), anchor, location=section)


def anew(app, env, added, changed, removed):
    """The glossary is written in every build: Sphinx takes the search index of the last build without the
    entries of pages that it does not write again."""
    return [GLOSSARY]


def merge(app, env, docnames, other):
    """Sphinx reads pages in several processes, of which one has read the glossary."""
    if GLOSSARY in docnames:
        env.book_terms = other.book_terms


def pattern(terms) -> re.Pattern:
    """Any of the terms as a whole word, in the plural too, the longest first.

    Chinese has no spaces between words, so a term of one character, which most words contain, is left out.
    """
    names = "|".join(
        re.escape(name) for name in sorted(terms, key=len, reverse=True) if not HAN.fullmatch(name)
    )
    return re.compile(rf"(?<![\w.\-])({names})(?:e?s)?(?![\w\-])", re.IGNORECASE | re.ASCII)


class FirstUses(SphinxPostTransform):
    default_priority = 400

    def run(self, **_):
        terms = getattr(self.env, "book_terms", {})
        if self.app.builder.name != "html" or not terms or self.env.docname == GLOSSARY:
            return
        seen = self.explain_links(terms)
        if not self.env.docname.startswith(CHAPTERS):
            return
        by_name, find = {name.lower(): name for name in terms}, pattern(terms)
        for paragraph in self.document.findall(nodes.paragraph):
            for text in list(paragraph.findall(nodes.Text)):
                if not any(isinstance(above, NOT_IN) for above in ancestors(text, paragraph)):
                    self.link_in(text, find, by_name, terms, seen)

    def link_in(self, text, find, by_name, terms, seen):
        parts, end = [], 0
        for use in find.finditer(text.astext()):
            name = by_name[use[1].lower()]
            if name in seen:
                continue
            seen.add(name)
            parts += [nodes.Text(text[end : use.start()]), self.link(use[0], *terms[name])]
            end = use.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])

    def link(self, words, anchor, definition):
        address = f"{self.app.builder.get_relative_uri(self.env.docname, GLOSSARY)}#{anchor}"
        return nodes.reference(
            "", words, refuri=address, internal=True, reftitle=definition, classes=["term"]
        )

    def explain_links(self, terms):
        """Links to the glossary that the text has itself. -> the terms that they lead to"""
        definitions, names = dict(terms.values()), {anchor: name for name, (anchor, _) in terms.items()}
        linked = set()
        address = self.app.builder.get_relative_uri(self.env.docname, GLOSSARY)
        for link in self.document.findall(nodes.reference):
            page, _, anchor = link.get("refuri", "").partition("#")
            if page == address and anchor in definitions:
                link["reftitle"] = definitions[anchor]
                link["classes"] = [*link["classes"], "term"]
                linked.add(names[anchor])
        return linked


def ancestors(node, top):
    while node.parent is not top:
        node = node.parent
        yield node


def setup(app):
    app.connect("env-get-outdated", anew)
    app.connect("doctree-read", collect)
    app.connect("env-merge-info", merge)
    app.add_post_transform(FirstUses)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
