"""The text that every machine has: whole sentences, each once, in the same order, and nothing is imported."""

import sys

import pytest
import torch

from perceiver_edu import ByteTokenizer
from perceiver_edu.errors import InputError
from perceiver_edu.training import documentation as module
from perceiver_edu.training.corpus import crop_pack
from perceiver_edu.training.documentation import (
    docstrings,
    documentation,
    documentation_crops,
    is_prose,
    prose,
    topics,
)

SENTENCE = "A paragraph of plain words, long enough to be kept by the filter."
SECOND = "Another one, in a class that this package has, which is kept as well."


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on the path that would break if anything in it ran."""
    folder = tmp_path / "sample_package"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text(f'"""{SENTENCE}"""\nraise SystemExit\n')
    (folder / "deep").mkdir()
    (folder / "deep" / "b.py").write_text(
        f'class A:\n    """{SECOND}\n\n    {SECOND}\n\n    {SENTENCE}"""\n    def f(self): """Short."""\n'
    )
    (folder / "deep" / "c.py").write_text(f'"""{SENTENCE}"""\n')
    (folder / "tests" / "test_a.py").write_text(
        '"""Tests are not written for readers, so this is not read."""\n'
    )
    (folder / "template.py").write_text("class {{ name }}:\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "sample_package"


def test_docstrings_are_read_and_not_run(package):
    texts = list(docstrings(package))
    assert [SENTENCE in text for text in texts] == [True, True, True]
    assert not any("Tests are" in text for text in texts)
    assert package not in sys.modules


def test_every_paragraph_comes_once(package):
    assert documentation([package]) == [SENTENCE, SECOND]


def test_prose_is_whole_sentences():
    text = f"""{SENTENCE}

    >>> f(x) = {{}}

    a fragment that does not begin as a sentence, though it ends like one.

    Two lines of one paragraph are
    joined, as they are read.

    Short."""
    assert prose(text) == [SENTENCE, "Two lines of one paragraph are joined, as they are read."]
    assert not is_prose("Parameters: a_b[0] == {1: 2} -> (x, y) | <z> * 3 + 4 / 5 @ 6 ~ 7 # 8 $ 9.")


def test_without_the_topics_there_is_less_text_and_no_error(monkeypatch):
    assert sum(map(len, topics())) > 100_000
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert list(topics()) == []


def test_a_package_that_is_not_there():
    for name in ("no_such_package_here", "this"):  # `this` is a module, with no folder of its own
        with pytest.raises(InputError, match=f"package '{name}' is not installed: pip install"):
            list(docstrings(name))


def test_every_tenth_document_is_held_out(package, monkeypatch):
    texts = [f"Document number {n} says something of its own." for n in range(25)]
    monkeypatch.setattr(module, "documentation", lambda sources: texts)
    training, held_out = documentation_crops(32)

    def letters(crops):
        return [i for i in crops.flatten().tolist() if i >= ByteTokenizer.BYTE_OFFSET]

    def of(chosen):
        return letters(crop_pack(chosen, 32))

    assert training.shape[1] == held_out.shape[1] == 32 and training.dtype == torch.int16
    assert letters(held_out) == of([texts[0], texts[10], texts[20]])
    assert letters(training) == of([text for n, text in enumerate(texts) if n % 10])


@pytest.mark.slow
def test_this_machine_has_enough_text_to_train_on():
    texts = documentation()
    assert texts == documentation()
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n")]
    assert len(set(paragraphs)) == len(paragraphs)
    assert sum(map(len, texts)) > 1_000_000
