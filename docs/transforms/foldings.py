"""`{folded}`: a hint or a solution that opens with a click, without any script."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class details(nodes.Element):
    pass


class summary(nodes.TextElement):
    pass


class Folded(SphinxDirective):
    required_arguments, final_argument_whitespace, has_content = 1, True, True

    def run(self):
        title = summary(self.arguments[0], "", *self.parse_inline(self.arguments[0])[0])
        self.set_source_info(title)
        return [details("", title, *self.parse_content_to_nodes())]


def setup(app):
    for node in (details, summary):
        name = node.__name__
        app.add_node(
            node,
            html=(
                lambda self, node, name=name: self.body.append(f"<{name}>"),
                lambda self, node, name=name: self.body.append(f"</{name}>"),
            ),
        )
    app.add_directive("folded", Folded)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
