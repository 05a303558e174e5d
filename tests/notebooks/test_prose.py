import nbformat
import pytest
from outputs import NOTEBOOKS
from prose import FEWEST_WORDS, MOST_COLONS, measure

from perceiver_edu.weights.pretrained import EMBEDDED

ROOT = NOTEBOOKS[0].parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")), EMBEDDED / "README.md"]


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.name)
def test_the_fields_words_and_few_colons(path):
    found = measure(path)
    assert not found.wrong
    assert path not in NOTEBOOKS or found.colons_per_100_words <= MOST_COLONS


def test_sentences_are_long_enough_to_join_thoughts(capsys):
    found = [measure(path) for path in NOTEBOOKS]
    mean = sum(one.words for one in found) / sum(one.sentences for one in found)
    with capsys.disabled():
        print(f"\n{mean:.1f} words a sentence in {len(found)} notebooks")
    assert mean >= FEWEST_WORDS


def test_what_is_counted(tmp_path):
    text = "One: two `a: b`. Three four five.\n\n# Title: x\n\n| a: | b |\n\nSomebody said $x: y$ so."
    cell = nbformat.v4.new_markdown_cell(text)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    (tmp_path / "a.md").write_text(text)
    for name in ("a.ipynb", "a.md"):
        found = measure(tmp_path / name)
        assert (found.words, found.sentences, found.colons) == (10, 3, 1)
        assert found.wrong == ["'Somebody': write the person or part that acts"]
