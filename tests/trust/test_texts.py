"""Any text that a learner may type: nothing is lost, nothing is half a character, nothing becomes HTML."""

import re
from html.parser import HTMLParser

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perceiver_edu import (
    ByteTokenizer,
    InputError,
    PerceiverIOConfig,
    PerceiverIOForMaskedLM,
    fill_mask,
)
from perceiver_edu.course import widgets
from perceiver_edu.course.report import Report
from perceiver_edu.course.widgets.base import LOOK
from perceiver_edu.terminal import visible
from perceiver_edu.training.corpus import crop_pack
from perceiver_edu.training.masking import IGNORE, mask_words, word_units

M = 96
SPICE = [
    "[MASK]", "[CLS]", "[SEP]", "[PAD]", "[MASK", "<script>alert(1)</script>", "<img src=x onerror=a()>",
    "&amp;", "`", '"', "'", "\0", "\r\n", "\x1b[31m", "\u202e", "\u2066", "\ufeff", "\u200d", "👩‍👩‍👧", "é",
    "e\u0301", "中文", "שלום",
    "العربية", "\ud800", "\udfff", "\U0010ffff", "\x85", "\u2028", " ", "  ", "\t", "a", "the", "x" * 40,
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(st.sampled_from(SPICE), st.text(max_size=4)), max_size=12).map("".join),
    st.text(alphabet=st.characters(), max_size=30),
)
SIZES = [(150, "short"), (3000, "long")]


def each_text(check, number, tally, what):
    """Call check(text) for `number` texts, and count them."""
    count = 0

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(TEXTS)
    def run(text):
        nonlocal count
        count += 1
        check(text)

    run()
    assert count >= number / 2
    tally(f"texts through {what}", count)


def sizes(function):
    marks = [pytest.param(n, id=name, marks=[pytest.mark.slow] * (name == "long")) for n, name in SIZES]
    return pytest.mark.parametrize("number", marks)(function)


def has_utf8(text):
    return not re.search("[\ud800-\udfff]", text)


@sizes
def test_the_tokenizer_loses_nothing(number, tally):
    tokenizer = ByteTokenizer()

    def check(text):
        if not has_utf8(text):
            with pytest.raises(InputError, match="surrogate"):
                tokenizer.encode(text)
            return
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
        assert tokenizer.encode(text) == [tokenizer.CLS, *ids, tokenizer.SEP]
        if len(ids) + 2 <= M:
            batch, mask = tokenizer.batch([text], pad_to=M)
            assert batch[0, mask[0]].tolist() == tokenizer.encode(text)
        else:
            with pytest.raises(InputError, match="truncation"):
                tokenizer.batch([text], pad_to=M)

    each_text(check, number, tally, "the tokenizer")


@sizes
def test_packing_and_masking_lose_nothing(number, tally):
    def check(text):
        if not has_utf8(text):
            return
        documents = [text, "between", text[::-1] if has_utf8(text[::-1]) else ""]
        crops = crop_pack(documents, 17).long()
        real = crops[crops >= ByteTokenizer.BYTE_OFFSET] - ByteTokenizer.BYTE_OFFSET
        assert bytes(real.tolist()) == "".join(documents).encode()
        inputs, labels = mask_words(crops, 0.3, torch.Generator().manual_seed(0))
        hidden = labels != IGNORE
        assert torch.equal(torch.where(hidden, labels, inputs), crops)
        units = word_units(crops)
        for row, chosen in zip(units, hidden, strict=True):  # a word is hidden as a whole or not at all
            assert not set(row[chosen].tolist()) & set(row[~chosen & (row > 0)].tolist())

    each_text(check, number, tally, "packing and masking")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PerceiverIOForMaskedLM(
        PerceiverIOConfig(
            max_position_embeddings=M, d_model=16, num_latents=4, d_latents=16, num_self_attends_per_block=1,
            num_self_attention_heads=2, num_cross_attention_heads=2, qk_channels=8, v_channels=16,
        )
    ).eval()  # fmt: skip


@sizes
def test_fill_mask_answers_or_says_why_not(number, tally, model):
    def check(text):
        span = (len(text) // 3, len(text) // 3 + 2)
        try:
            [fillings] = fill_mask(model, text, span, top_k=3)
        except InputError as error:
            assert "\n" not in str(error) and visible(str(error)) == str(error)
            return
        hidden = text[slice(*span)]
        length = 1 if hidden == "[MASK]" else len(hidden.encode())
        for filling in fillings:
            assert len(filling.text.encode()) == length or "[MASK]" in text  # whole characters, as many bytes
            assert 0 < filling.probability <= 1

    each_text(check, number, tally, "fill_mask")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()

    def handle_starttag(self, tag, attributes):
        self.seen |= {tag, *(name for name, _ in attributes)}


@sizes
def test_no_text_becomes_html(number, tally):
    def check(text):
        report = Report(text).say(text).table([text, "b"], [[text, "`" + text + "`"]]).pre(text)
        tags = Tags()
        tags.feed(report._repr_html_())
        assert tags.seen <= {"div", "p", "b", "code", "pre", "table", "tr", "th", "td", "style", "class"}
        assert "\x1b" not in repr(report)

    each_text(check, number, tally, "what a check shows")


def test_a_dollar_is_no_formula():
    """JupyterLab typesets what stands between two dollars, unless it is told not to."""
    for report in (Report("$a$"), Report("a").say("$a$"), Report("a").table(["$a$"], [])):
        assert '<div class="perceiver-edu-check mathjax_ignore tex2jax_ignore"' in report._repr_html_()
    assert "mathjax" not in Report("a")._repr_html_()


@pytest.mark.slow
def test_no_text_stops_an_experiment(tally):
    """All that have a box for text, drawn each time; fifty texts take a minute or two."""
    made = [widget.try_out() for widget in widgets.WIDGETS.values()]
    experiments = [experiment for experiment in made if "text" in experiment.controls]

    def check(text):
        for experiment in experiments:
            experiment.state = {"text": text}
            assert "stopped the experiment" not in experiment.problem, experiment.problem
            tags = Tags()
            view = experiment.view.value.replace(LOOK, "")
            tags.feed(view)
            assert not tags.seen & {"script", "onerror", "b", "i"}, (experiment.name, text)
            assert "img" in tags.seen, "the last picture stays, dimmed where the text has none of its own"
            assert ('class="perceiver-stale"' in view) == bool(experiment.problem)

    each_text(check, 50, tally, f"{len(experiments)} experiments each")
