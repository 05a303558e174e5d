"""What the widgets show is what the library says, for any text; without a browser."""

import math
from contextlib import nullcontext
from copy import deepcopy
from functools import cache, partial

import pytest
import torch

from perceiver_edu import ByteTokenizer, InputError, PerceiverIOConfig, fill_mask, instruments
from perceiver_edu.course import widgets
from perceiver_edu.course.swap import LONGER
from perceiver_edu.course.widgets import bugs, costs, heads, hole, layers, packing, queries
from perceiver_edu.course.widgets.base import embedded as model
from perceiver_edu.instruments.costs import stage_costs
from perceiver_edu.training.corpus import crop_pack, in_groups

TEXT = "She opened the door and went into the house."
tokenizer = ByteTokenizer()


@cache
def hf_copy():
    return instruments.huggingface_copy(model())


def hidden(start, stop):
    """TEXT with this hole -> the ids (1, M), the places of the hole, and the ids that were there."""
    ids, _ = tokenizer.batch([TEXT])
    places = torch.arange(1 + start, 1 + stop)
    right = ids[0, places]
    ids[0, places] = tokenizer.MASK
    return ids, places, right


def tables(report):
    """The cells of each table, without its header."""
    return [rows[1:] for kind, rows in report.parts if kind == "table"]


def ranked(fillings):
    return [[f"{100 * p:.3g} %", repr(text)] for text, p in fillings]


close = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-6)  # a map that is recorded takes another path


@pytest.mark.parametrize("span", [(28, 33), (0, 1), (34, 44)])
def test_a_hole_is_filled_as_the_model_scores_it(span):
    ids, places, _ = hidden(*span)
    with torch.no_grad():
        shares = model()(ids, positions=places)[0].softmax(-1)
    filled = hole.fill_span(model(), TEXT, span)
    torch.testing.assert_close(filled.by_byte, shares[:, tokenizer.BYTE_OFFSET :])
    best = filled.fillings[0]
    chosen = shares.gather(1, torch.tensor(tokenizer.encode(best.text, False))[:, None]).prod()
    assert best.probability == pytest.approx(float(chosen), rel=1e-3)
    masked, fillings = tables(hole.tell(filled))
    assert masked == [[TEXT[: span[0]] + "▒" * len(places) + TEXT[span[1] :]]]
    assert [row[1:3] for row in fillings] == ranked(fill_mask(model(), TEXT, span)[0])


@pytest.mark.parametrize("wrong", [(3, 3), (44, 60), (0, 44)])
def test_a_hole_that_hides_nothing_or_too_much_is_refused(wrong):
    with pytest.raises(InputError, match=r"Nothing is hidden|make it shorter"):
        hole.fill_span(model(), TEXT, wrong)


@pytest.mark.parametrize("length", [256, 2048])
@pytest.mark.parametrize("joined", [1, 3, 20])
def test_padding_from_the_sizes_is_that_of_the_crops(joined, length):
    documents = ["x" * size for size in (1, 254, 255, 2046, 3000, 17, 90, 4093)] + ["é" * 500]
    crops = torch.cat([crop_pack(group, length) for group in in_groups(documents, joined)])
    packed = packing.pack_documents(documents, joined, length)
    share = float((crops == tokenizer.PAD).double().mean())
    assert packed.waste[joined - 1] == pytest.approx(share)
    report = packing.tell(packed)
    assert tables(report)[0][1][:2] == [f"{joined} joined", f"{share:.1%}"]
    assert f"{len(crops):,} crops of {length:,} ids" in repr(report)


@pytest.mark.parametrize("head, latent", [(0, 8), (7, 63)])
def test_a_head_reads_what_hugging_face_says(head, latent):
    ids, mask = tokenizer.batch([TEXT])
    with torch.no_grad():
        theirs = hf_copy()(ids, attention_mask=mask.long(), output_attentions=True).cross_attentions[0][0]
    seen = heads.reading(lambda text: heads.attention(model(), text), TEXT, head, latent)
    close(seen.weights, theirs[:, latent])
    row = theirs[head, latent].double()
    assert seen.bits == pytest.approx(float(-(row * row.log2()).sum()), rel=1e-3)
    shares, places = row.topk(6)
    report = heads.tell(seen)
    assert [cells[::2] for cells in tables(report)[0]] == [
        [f"{place}", f"{share:.1%}"] for place, share in zip(places.tolist(), shares.tolist(), strict=True)
    ]
    assert f"Entropy {seen.bits:.2f} bits" in repr(report)


@pytest.mark.parametrize("zeroed", [(0, 0), (7, 9)])
@pytest.mark.parametrize("k", [0, 5, 8])
def test_stopping_and_zeroing_is_what_the_interventions_do(k, zeroed):
    ids, places, right = hidden(28, 33)
    ablation = instruments.ablate_latents(model(), range(*zeroed)) if zeroed != (0, 0) else nullcontext()
    with ablation, instruments.stop_after(model(), k), torch.no_grad():
        logits = model()(ids, positions=places)[0]
        fillings = fill_mask(model(), TEXT, (28, 33))[0]
    bits = float(torch.nn.functional.cross_entropy(logits, right)) / math.log(2)
    stopped = layers.stop_and_zero(model(), layers.question(model(), TEXT, (28, 33)), k, zeroed)
    assert stopped.changed[k] == pytest.approx(bits, rel=1e-3)
    state, filled = tables(layers.tell(stopped))
    assert [row[1:3] for row in filled] == ranked(fillings) and stopped.asked.readers == [7, 8]
    assert state[0][2:] == [f"{stopped.changed[k]:.2f}", f"{stopped.asked.whole[k]:.2f}"]
    if zeroed == (0, 0):
        assert stopped.changed == pytest.approx(stopped.asked.whole, rel=1e-4)
    else:
        assert stopped.changed[8] > stopped.asked.whole[8] + 1


def test_queries_give_the_rows_of_all_queries():
    words = "5-9, 40-36 12,12;0-40/10"
    asked = queries.ask(model(), lambda text: queries.all_scores(model(), text), TEXT, words)
    assert asked.places == [5, 6, 7, 8, 9, 40, 39, 38, 37, 36, 12, 12, 0, 10, 20, 30, 40]
    with torch.no_grad():
        everything = model()(*tokenizer.batch([TEXT]))[0, asked.places]
    shares = everything.softmax(-1)[:, tokenizer.BYTE_OFFSET :]
    assert asked.best == shares.argmax(-1).tolist() and asked.difference < 1e-4
    assert asked.probabilities == pytest.approx(shares.amax(-1).tolist(), abs=1e-5)
    report, config = queries.tell(asked), model().config
    shown = [[f"{p}", queries.byte_sign(b), f"{s:.0%}"] for p, b, s in zip(*asked[:3], strict=True)]
    assert tables(report)[0] == shown[:8]
    for O in (len(asked.places), config.max_position_embeddings):
        costs = [c.flops for c in stage_costs(config, 1, O) if c.stage in ("decoder", "mlm_head")]
        assert f"{sum(costs) / 1e6:,.1f}" in repr(report)


@pytest.mark.parametrize("words", ["", "x", "5-", "-5", "256", "3-256", "5-9/0", "0-255", "1.5", "٣"])
def test_what_is_no_list_of_places_is_refused(words):
    with pytest.raises(InputError, match=r"is not a position|positions go from|has room for"):
        queries.read_places(words, 256)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "stage, bug, first",
    [
        ("none", "none", None),
        ("none", "tanh GELU", "encoded"),
        ("none", "LayerNorm eps 1e-12", "encoded"),
        ("none", "MLP layers swapped", "outputs"),
        ("none", "residual in the decoder", "outputs"),
        ("none", "mask inverted", "encoded"),
        ("embedding", "none", "inputs"),
        ("processor", "none", "processed"),
        ("decoder", "tanh GELU", "encoded"),
        ("mlm_head", "none", "logits"),
    ],
)
def test_the_first_wrong_tensor_is_named(stage, bug, first, dtype):
    experiment = widgets.plant_a_bug(model(), hf_copy(), TEXT)
    text = TEXT.replace("into", "[MASK]" * 4)
    experiment.state = {"text": text, "stage": stage, "bug": bug, "dtype": dtype}
    broken = experiment.result
    assert all(row.ok for row in broken.known.right) and (broken.first and broken.first.stage) == first
    rows, filled = tables(bugs.tell(broken))
    for row, (name, size, allowed, said) in zip(broken.rows, rows, strict=True):
        assert name == row.stage and float(size) == pytest.approx(row.max_abs, rel=0.06)
        assert float(allowed) == pytest.approx(row.tolerance * max(1.0, row.scale), rel=0.06)
        assert said == ("ok" if row.ok else "first divergence" if name == first else "differs")
    assert filled == [["the right model", TEXT], ["yours", broken.after]]
    harmless = stage in ("none", "mlm_head") and bug in ("none", "tanh GELU", "LayerNorm eps 1e-12")
    assert (broken.after == TEXT) == harmless


@pytest.mark.parametrize("bug", bugs.BUGS)
def test_the_ledger_of_a_bug_is_that_of_two_models(bug):
    wrong, rows = deepcopy(model()), widgets.plant_a_bug(model(), hf_copy(), TEXT, bug).result.rows
    bugs.BUGS[bug](wrong)
    expected = instruments.compare_stages(wrong, hf_copy(), *tokenizer.batch([TEXT, TEXT + LONGER]))
    assert [row.max_abs for row in rows] == pytest.approx([row.max_abs for row in expected], abs=1e-5)


@pytest.mark.parametrize("sizes", [(2048, 256, 26, 2048), (16, 4096, 0, 65536), (65536, 16, 48, 16)])
def test_each_formula_gives_the_cost_beside_it(sizes):
    found = costs.text_costs(PerceiverIOConfig(), *sizes)
    M, N, depth, O = sizes
    expected = {cost.stage: cost.flops for cost in stage_costs(found.config, M, O)}
    assert (found.config.num_latents, found.config.num_self_attends_per_block) == (N, depth)
    [[*rows, whole]] = tables(costs.tell(found))
    assert whole[1] == f"{sum(expected.values()):,}"
    for stage, flops, formula in rows:
        product = formula.partition("  with")[0].replace("·", "*").replace(",", "")
        assert eval(product, {"M": M, "N": N, "O": O, "L": depth}) == expected[stage], stage
        assert flops == f"{expected[stage]:,}"
    assert [row[0] for row in rows] == [*expected][1:]  # an embedding multiplies nothing
