"""The playground shows what the library says, and the code that it exports makes the same numbers again."""

import contextlib
import errno
import html
import io
import math
import os
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from test_every_widget import UNUSUAL
from test_experiments import TEXT, close, hidden, tables
from tiny import tiny_models

from perceiver_edu import InputError, fill_mask, instruments
from perceiver_edu.course import widgets
from perceiver_edu.course.widgets import base
from perceiver_edu.course.widgets.exploring import Change, ForwardPasses, explore
from perceiver_edu.course.widgets.export import Export, code, save
from perceiver_edu.course.widgets.playground import PRESETS, SIZE, draw, tell
from perceiver_edu.instruments.interventions import ablate_heads, ablate_latents, stop_after
from perceiver_edu.instruments.plots.style import STYLE
from perceiver_edu.instruments.tracing import DECODER_MAP, ENCODER_MAP
from perceiver_edu.stages import STAGES
from perceiver_edu.weights.pretrained import load_pretrained, save_pretrained

HOLE = (28, 33)
PARTS = ["embedding", "encoder", "processor", "queries", "decoder", "mlm_head"]
STATE = {"text": TEXT, "hole": HOLE, "latent": 8, "head": 0, "position": 29, "k": 8, "zeroed": (0, 0)}
STATE |= {"layer": 0, "silenced": (0, 0), "beside": "nothing", "second": ""}

runs = lru_cache(lambda: ForwardPasses(base.embedded(), "embedded"))
lab = lru_cache(lambda: widgets.playground(base.embedded(), weights="embedded"))


def explored(runs_of=runs, **state):
    """What the playground shows where it differs from STATE in this."""
    return explore(runs_of(), **STATE | state)


def recorded(name):
    """What the model of `runs` has there for TEXT with its hole, when all places are asked for."""
    with torch.no_grad(), instruments.record(runs().model, name) as seen:
        runs().model(hidden(*HOLE)[0])
    return seen[name][0][0]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    save_pretrained(tiny_models(torch.float32, max_position_embeddings=60, num_blocks=2)[0], folder)
    return folder


def same(fillings, expected):
    """The same fillings, and probabilities up to rounding: a map that is recorded takes another path."""
    (texts, shares), (right, theirs) = zip(*fillings, strict=True), zip(*expected, strict=True)
    assert texts == right and shares == pytest.approx(theirs, rel=1e-3)


@pytest.mark.parametrize(
    "change, blocks",
    [
        ({}, lambda m: []),
        ({"k": 5}, lambda m: [stop_after(m, 5)]),
        ({"k": 0}, lambda m: [stop_after(m, 0)]),
        ({"zeroed": (6, 9)}, lambda m: [ablate_latents(m, [6, 7, 8])]),
        ({"layer": 5, "silenced": (2, 7)}, lambda m: [ablate_heads(m, 5, range(2, 7))]),
        (
            {"k": 7, "zeroed": (7, 8), "layer": 2, "silenced": (6, 7)},
            lambda m: [ablate_heads(m, 2, 6), ablate_latents(m, 7), stop_after(m, 7)],
        ),
    ],
)
def test_a_changed_run_is_what_the_interventions_do(change, blocks):
    model = runs().model
    found = explored(**change)
    ids, places, right = hidden(*HOLE)
    with contextlib.ExitStack() as stack:
        for block in blocks(model):
            stack.enter_context(block)
        seen = stack.enter_context(instruments.record(model, PARTS))
        with torch.no_grad():
            logits = model(ids, positions=places)[0]
        fillings = fill_mask(model, TEXT, HOLE)[0]
    assert ("changed" in found.runs) == bool(change)
    run = found.runs["changed" if change else "untouched"]
    same(run.fillings, fillings)
    assert torch.equal(run.ids, ids[0])
    nats = torch.nn.functional.cross_entropy(logits, right)
    assert run.bits == pytest.approx(float(nats / torch.log(torch.tensor(2.0))), rel=1e-3)
    for part in PARTS:
        assert run.norms[part] == pytest.approx(float(seen[part][0].norm(dim=-1).mean()), rel=1e-4)
        assert run.shapes[part] == tuple(seen[part][0].shape)


@pytest.mark.parametrize(
    "state",
    [
        {"position": 3},
        {"zeroed": (6, 9), "k": 7, "layer": 1, "silenced": (0, 3)},
        {"k": 5, "beside": "untrained", "latent": 12, "head": 4},
    ],
)
def test_the_tables_hold_the_numbers_of_the_runs(state):
    found = explored(**state)
    whole, weights = found.runs["untouched"], found.runs["untouched"].weights[found.head]
    _, fillings, arrays, reading = tables(tell(found))
    assert len(fillings[0]) == len(found.runs) + 1
    for column, run in enumerate(found.runs.values(), 1):
        shown = [f"{text!r} {100 * p:.3g} %" for text, p in run.fillings] + [f"{run.bits:.2f}"]
        assert [row[column] for row in fillings] == shown
        place = 2 * column - (column > 1)  # of each further run there is the difference, too
        assert [row[place] for row in arrays] == [f"{norm:.3f}" for norm in run.norms.values()]
        if column > 1:
            apart = [f"{run.difference(whole, part):.1%}" for part in run.norms]
            assert [row[place + 1] for row in arrays] == apart
    query = whole.query(found.position)
    rows = [weights[found.latent], weights[:, found.position], *([] if query is None else [query])]
    assert len(reading[0]) == 2 * len(rows)
    for column, row in enumerate(rows):
        shares, places = row.topk(5)
        assert [cells[2 * column].split()[0] for cells in reading] == [str(p) for p in places.tolist()]
        assert [cells[2 * column + 1] for cells in reading] == [f"{share:.1%}" for share in shares.tolist()]


def test_the_map_is_that_of_the_text_with_its_hole():
    close(explored().runs["untouched"].weights, recorded(ENCODER_MAP))


def test_the_query_of_a_hidden_byte_reads_what_the_decoder_says():
    whole, theirs = explored().runs["untouched"], recorded(DECODER_MAP)
    for place in range(29, 34):
        close(whole.query(place), theirs[:, place].mean(0))
    assert whole.query(28) is None and whole.query(34) is None
    accented = explored(text="Était-ce là?", hole=(9, 11), position=12)
    assert accented.runs["untouched"].query(11) is not None  # places are bytes, not characters
    assert [accented.runs["untouched"].query(place) is None for place in (10, 13, 14)] == [True, False, True]
    assert "its query attends to latent" in repr(tell(accented))


@pytest.mark.parametrize(
    "state, name, same",
    [
        ({"zeroed": (6, 9)}, "changed", ["embedding", "queries"]),
        ({"layer": 7, "silenced": (0, 8)}, "changed", ["embedding", "encoder", "queries"]),
        ({"k": 3}, "changed", ["embedding", "encoder", "queries"]),
        ({"beside": "untrained"}, "second weights", []),
    ],
)
def test_the_difference_says_where_a_change_begins(state, name, same):
    found = explored(**state)
    whole, run = found.runs["untouched"], found.runs[name]
    for array in run.norms:
        apart = float((run.arrays[array] - whole.arrays[array]).norm() / whole.arrays[array].norm())
        assert run.difference(whole, array) == pytest.approx(apart)
        assert (apart < 1e-5) == (array in same)


def test_arrays_of_other_shapes_are_not_compared(tiny):
    found = explored(beside="named weights", second=str(tiny))
    whole, second = found.runs["untouched"], found.runs["second weights"]
    assert second.difference(whole, "embedding") is None and second.difference(whole, "mlm_head") > 0
    assert "different shape" in repr(tell(found))


def test_looking_elsewhere_runs_no_model_again(monkeypatch):
    explored(k=6)
    monkeypatch.setattr(runs().model, "forward", None)
    for look in ({"latent": 3}, {"head": 7}, {"position": 0}, {"position": 45}, {"k": 6}):
        explored(**look)


def test_the_second_weights_are_run_whole(tiny):
    half = explored(zeroed=(6, 9), beside="half its layers").runs["second weights"]
    assert half is runs().run(TEXT, HOLE, Change(4))
    other = explored(zeroed=(6, 9), beside="named weights", second=f" {tiny} ").runs["second weights"]
    same(other.fillings, fill_mask(load_pretrained(tiny), TEXT, HOLE)[0])
    assert other.shapes["encoder"] == (1, 5, 12)
    untrained = explored(zeroed=(6, 9), beside="untrained").runs["second weights"]
    assert untrained.bits == pytest.approx(8.03, abs=0.2) != half.bits


@pytest.mark.parametrize("name, said", [("", "Name the second weights"), ("no such", "no weights 'no such'")])
def test_second_weights_that_are_not_there_are_named_in_one_sentence(name, said):
    with pytest.raises(InputError, match=said):
        explored(beside="named weights", second=name)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"zeroed": (6, 9), "k": 7, "layer": 2, "silenced": (1, 3), "beside": "untrained"},
        {"beside": "half its layers", "latent": 40, "head": 5, "position": 3},
        {"beside": "named weights", "silenced": (0, 8)},
    ],
)
def test_the_exported_code_runs_by_itself_and_gives_the_same_numbers(state, tiny, tmp_path, monkeypatch):
    if state.get("beside") == "named weights":
        state = state | {"second": str(tiny)}
    found = explored(**state)
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code(found), made := {})
    assert list(made["found"]) == list(found.runs)
    for run, look in zip(found.runs.values(), made["found"].values(), strict=True):
        same(look.fillings, run.fillings)
        assert look.norms == pytest.approx(run.norms, rel=1e-4)
        assert look.bits == pytest.approx(run.bits, rel=1e-4)
        close(look.weights, run.weights)
        close(look.asked, run.asked)
    whole = found.runs["untouched"].weights
    close(made["of_latent"], whole[found.head, found.latent])
    close(made["on_byte"], whole[found.head, :, found.position])
    query = found.runs["untouched"].query(found.position)
    assert ("query" in made) == (query is not None)
    if query is not None:
        close(made["query"], query)
    assert [path.name for path in tmp_path.iterdir()] == ["playground.png"]


@settings(deadline=None, max_examples=15)
@given(text=st.sampled_from(UNUSUAL) | st.text(max_size=40))
def test_the_code_holds_any_text_unharmed(text):
    text = "ab" + text.replace("[MASK]", "")
    try:
        found = explored(text=text, hole=(0, 2))
    except InputError:
        return
    script, names = code(found), {}
    assert script.replace("\n", "").isprintable()
    [line] = [line for line in script.splitlines() if line.startswith("text, hole = ")]
    exec(line, names)
    assert names["text"] == found.text and text.startswith(found.text)


def test_the_strip_and_the_controls_have_one_state():
    lab = widgets.playground(base.embedded(), "é cab", (0, 1))
    assert (lab.strip.text, lab.strip.places, lab.strip.position) == ("é cab", [1, 3, 4, 5, 6, 7], 1)
    lab.strip.position = 5  # as by a click
    assert lab.state["position"] == 5 == lab.result.position
    lab.strip.hole = [3, 5]  # as by a selection
    assert lab.state["hole"] == (3, 5) and lab.result.hidden == "ab" and lab.strip.position == 5
    lab.state = {"text": "é cabs", "position": 2}
    assert lab.strip.text == "é cabs" and lab.strip.hole == [3, 5] and lab.strip.position == 2


def test_a_preset_is_a_state_and_reset_is_the_whole_model():
    lab = widgets.playground(base.embedded(), zeroed=(6, 9))
    *buttons, reset = lab.children[0].children[0].children
    assert [button.description for button in buttons] == list(PRESETS)
    for button, preset in zip(buttons, PRESETS.values(), strict=True):
        button.click()
        assert {name: lab.state[name] for name in preset.state} == preset.state and not lab.problem
        assert preset.question in html.unescape(lab.children[0].children[1].value)
        assert eval(lab.strip.line, {"widgets": widgets, "model": base.embedded()}).state == lab.state
    reset.click()
    assert lab.strip.line == "widgets.playground(model)" and list(lab.result.runs) == ["untouched"]


def test_files_are_new_and_hold_the_figure_and_the_code(tmp_path):
    found = explored()
    names = [save(found, tmp_path, kind).name for kind in ("png", "png", "svg", "py", "py", "png")]
    assert names == [
        "playground.png", "playground-2.png", "playground.svg",
        "playground.py", "playground-2.py", "playground-3.png",
    ]  # fmt: skip
    assert (tmp_path / "playground.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "playground.svg").read_text()
    assert (tmp_path / "playground.py").read_text() == code(found)


def test_a_full_disk_leaves_no_part_of_a_file_and_a_link_is_not_followed(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "playground.py").symlink_to(tmp_path / "nowhere")
    with monkeypatch.context() as patch, pytest.raises(InputError, match="No space left on device"):
        patch.setattr(os, "fsync", full)
        save(explored(), tmp_path, "py")
    assert [path.name for path in tmp_path.iterdir()] == ["playground.py"]
    assert save(explored(), tmp_path, "py").name == "playground-2.py"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("folder", ["no/such/folder", "\0", "~nobody-of-this-name/x", __file__])
def test_a_folder_that_cannot_be_used_is_one_sentence(folder, tmp_path):
    export = Export(lab())
    lab().state = STATE
    export.folder.value = folder
    export.buttons["png"].click()
    assert 'role="alert"' in export.said.value


def test_the_buttons_write_and_the_code_follows_the_playground(tmp_path):
    lab().state = STATE
    export = Export(lab())
    export.folder.value = str(tmp_path)
    for kind, button in export.buttons.items():
        button.click()
        assert f"playground.{kind}" in export.said.value and (tmp_path / f"playground.{kind}").stat().st_size
    assert "k=3" not in export.code.value
    lab().state = {"k": 3}
    assert "k=3" in export.code.value
    lab().state = {"k": 8, "hole": (3, 3)}
    assert "Nothing is hidden" in export.code.value
    export.buttons["png"].click()
    assert 'role="alert"' in export.said.value and len(list(tmp_path.iterdir())) == 3


def test_the_challenges_of_the_notebook_have_answers():
    whole = explored().runs["untouched"]
    other = explored(text="The old man put down his newspaper, and looked.").runs["untouched"]
    assert whole.weights[0, 8].argmax() == other.weights[0, 8].argmax()  # a place, whatever stands there

    def bits(**state):
        return explored(**state).runs["changed"].bits

    single = {n: bits(zeroed=(n, n + 1)) for n in range(64)}
    assert sorted(single, key=single.get)[-3:] == [7, 6, 8] and min(single.values()) < whole.bits

    stopped = [bits(k=k) for k in range(8)]
    assert max(stopped[1:]) == stopped[6] > stopped[0] > whole.bits  # worse than with no layer at all
    silenced = [bits(layer=layer, silenced=(0, 8)) for layer in range(8)]
    assert max(silenced[2:5]) > 2 * whole.bits  # and yet layers of that stretch are needed


@pytest.mark.parametrize("state, layers", [({}, 8), ({"k": 5, "zeroed": (6, 9)}, 5)])
def test_the_graph_shows_the_shapes_and_norms_of_the_run_in_question(state, layers):
    found = explored(**state)
    figure = Figure(figsize=SIZE)
    alt = draw(figure, found)
    drawn = "\n".join(text.get_text() for text in (*figure.axes[0].texts, *figure.texts))
    run = list(found.runs.values())[-1]
    for part, norm in run.norms.items():
        assert " × ".join(map(str, run.shapes[part])) in drawn and f"norm {norm:.3g}" in drawn
        assert f"{STAGES[part].array if part in STAGES else part} {norm:.3g}" in alt
    assert f"{layers} × self-attend" in drawn
    beside = [text.get_text().strip() for text in figure.axes[3].texts]
    assert beside.pop() == f"uniform {math.log2(262):.2f}"
    assert beside == [word for name, run in found.runs.items() for word in (name, f"{run.bits:.2f}")]


def test_of_a_long_text_the_lines_about_the_frame_are_drawn():
    model, _ = tiny_models(torch.float32, max_position_embeddings=1202)
    passes = ForwardPasses(model, "none")
    found = explored(lambda: passes, text="abcd" * 300, latent=1, position=1100, k=1)
    figure = Figure(figsize=SIZE)
    draw(figure, found)
    strip = figure.axes[1]
    assert "(bytes 960 to 1201)" in strip.get_title() and len(strip.texts) == 4
    [frame] = strip.lines
    line, sign = divmod(1100 - 960, 64)
    assert {*frame.get_xdata()} == {sign - 0.5, sign + 0.5}
    assert {*frame.get_ydata()} == {line - 0.5, line + 0.5}


def test_the_stages_that_are_pasted_are_those_that_are_drawn():
    lab = widgets.playground(base.embedded())
    for change in ({}, {"latent": 20}, {"k": 5}, {"zeroed": (6, 9)}, {"k": 8, "zeroed": (0, 0)}):
        lab.state = change
        with plt.rc_context(STYLE):
            figure = Figure(figsize=SIZE, dpi=base.DPI)
            draw(figure, lab.result)
            png = io.BytesIO()
            figure.savefig(png, format="png")
        shown, drawn = (plt.imread(io.BytesIO(data)) for data in (lab.picture.png, png.getvalue()))
        assert np.array_equal(shown, drawn), change


@pytest.mark.parametrize("text, start, place", [(TEXT, 9, 10), ("é[MASK] was here.", 8, 5)])
def test_the_frame_goes_with_the_hole_and_the_answer_stands_above_the_picture(text, start, place):
    lab = widgets.playground(base.embedded())
    lab.state = {"text": text}
    lab.state = {"hole": (start, start + 2)}
    assert lab.result.position == place == lab.result.runs["untouched"].first
    run = lab.result.runs["untouched"]
    line = html.escape(f"untouched: {run.fillings[0].text!r}, {run.bits:.2f} bits per hidden byte")
    assert line in lab.view.value.partition("<img")[0]
    lab.state = {"position": 2, "hole": (start, start + 1)}
    assert lab.result.position == 2, "only a hole that begins elsewhere takes the frame along"
