"""The alternative text of each picture that a cell made. MyST-NB would put the file's name there."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class AltTexts(SphinxPostTransform):
    default_priority = 300

    def run(self, **_):
        for cell in self.document.findall(nodes.container):
            texts = cell.get("cell_metadata", {}).get("pictures", [])
            for image, text in zip(cell.findall(nodes.image), texts, strict=True) if texts else ():
                image["alt"] = text


def setup(app):
    app.add_post_transform(AltTexts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
