"""The experiments of notebook 10, held to the library and to the models that the notebook trains."""

import pytest

from perceiver_edu.course.widgets import WIDGETS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(500)]

# The notebook trains more models to compare; the experiments show four of them. Here these four are trained,
# in the notebook's own way and for a third of its steps.
TRAINING = """
torch.set_num_threads(1)  # small models: a second thread only waits
train_to_the_end = train
def train(model, loss_of, steps, name, seed=0):
    return train_to_the_end(model, loss_of, steps // 3, name, seed=seed)
"""
READERS = """
readers, right = {}, {}
for kind in ("Fourier", "learned"):
    model = readers[kind, "pixels in order"] = digit_reader(kinds[kind], images, kind)
    with torch.no_grad():
        right[kind, "pixels in order"] = share_right(model(images[test]), labels[test])
"""
SENSES = """
trained = {"always both": senses(False, 0), "one often hidden": senses(True, 0)}
x = see_and_hear(test, torch.Generator().manual_seed(5))
yes = torch.ones(len(test), dtype=torch.bool)
cases = {"image only": {"image": yes, "sound": ~yes}}
"""

# Run in the notebook's kernel, where the trained models are. The widgets exchange inputs, and mask a sense;
# here the pixels of the images are exchanged, and a sense is not there at all.
EXPECTED = """
def expected_guesses(digit, moved, together):
    order = torch.arange(64)
    chosen = torch.randperm(64, generator=torch.Generator().manual_seed(2))[:moved]
    order[chosen] = chosen.roll(1)
    shown = images[test].flatten(2)
    shown = (shown if together else shown[..., order]).view(-1, 1, 8, 8)
    with torch.no_grad():
        both = ("Fourier", "learned")
        guesses = {kind: readers[kind, "pixels in order"](shown).argmax(-1) for kind in both}
    return [
        [kind, (guess == labels[test]).float().mean().item(), guess[digit].item()]
        for kind, guess in guesses.items()
    ]


def expected_senses(digit, senses):
    there = {name: x[name] for name in x if name in senses}
    with torch.no_grad():
        shares = {name: model(there).softmax(-1)[digit] for name, model in trained.items()}
    truth = labels[test][digit]
    rows = [[name, p.argmax().item(), p.max().item(), p[truth].item()] for name, p in shares.items()]
    return truth.item(), rows
"""


def test_09_fourier_bands(show, looks):
    view = show("fourier-bands")
    view.mirrors(WIDGETS["fourier-bands"].try_out())
    [bands], [highest], [row], [column] = map(view.handles, ("bands", "highest", "row", "column"))
    left, right = "ArrowLeft", "ArrowRight"
    for key, handle in 5 * [(left, bands), (right, highest), (right, row), (left, column)]:
        view.press(key, handle)
    view.wait_for(bands=1, highest=13, row=10, column=1)
    view.press("Home", highest, highest=1)
    view.click_track("bands", 0.9)
    assert (
        view.strip.get_by_role("option", selected=True).get_attribute("aria-label")
        == "row 10, column 1, queried"
    )
    view.strip.get_by_role("option", name="row 12, column 3", exact=True).click()
    view.wait_for(row=12, column=3)
    view.press("ArrowUp", view.strip, times=2, row=10, column=3)
    view.press("ArrowRight", view.strip, row=10, column=4)
    view.press("Home", view.strip, row=0, column=0)
    view.press("ArrowDown", view.strip, row=1, column=0)
    view.select(2, 20, row=1, column=4)  # dragged over
    over, picture = view.strip.bounding_box(), view.root.locator("img").bounding_box()
    shares = [(over[x] - picture[x]) / picture[size] for x, size in (("x", "width"), ("y", "height"))]
    shares += [over[size] / picture[size] for size in ("width", "height")]
    assert shares == pytest.approx(WIDGETS["fourier-bands"].try_out().strip.over, abs=0.005)
    pixel = view.letter(12 * 16 + 3).bounding_box()
    places = [(pixel["x"] - over["x"]) / over["width"], (pixel["y"] - over["y"]) / over["height"]]
    assert places == pytest.approx([3 / 16, 12 / 16], abs=0.005)
    looks(view)


def test_09_trained_models(lab_page, looks):
    """Pixels that move, and a missing sense: both experiments stand on models that the notebook trains."""
    lab = lab_page("10_modalities")
    lab.run("setup", "core-picture", "core", "fourier", "bands-lab")
    lab.ask_kernel(TRAINING, "None")
    lab.run("digits")
    lab.ask_kernel(READERS, "None")
    pixels = lab.show(WIDGETS["shuffle-pixels"])
    lab.run("multi-source", "drop")
    lab.ask_kernel(SENSES, "None")
    senses = lab.show(WIDGETS["drop-a-sense"])

    def pixels_are_the_librarys():
        expected = lab.ask_kernel(EXPECTED, f"expected_guesses(**{pixels.state})")
        for shown, (kind, share, guess) in zip(pixels.tables()[0], expected, strict=True):
            assert shown == [kind, f"{share:.0%}", str(guess)]

    def senses_are_the_librarys():
        truth, expected = lab.ask_kernel(EXPECTED, f"expected_senses(**{senses.state})")
        assert f"that of {truth}" in senses.words()
        for shown, (name, guess, most, true) in zip(senses.tables()[0], expected, strict=True):
            assert shown[:2] == [name, str(guess)]
            chances = [float(cell.rstrip("%")) for cell in shown[2:]]
            assert chances == pytest.approx([100 * most, 100 * true], abs=0.51)

    pixels.holds(pixels_are_the_librarys)
    senses.holds(senses_are_the_librarys)
    [digit], [moved] = pixels.handles("digit"), pixels.handles("moved")
    pixels.press("ArrowRight", digit, times=6)
    pixels.press("ArrowLeft", moved, times=4, digit=6, moved=0)
    plain = [row[1] for row in pixels.tables()[0]]
    for number in (2, 4, 8, 16, 32, 64):
        pixels.press("ArrowRight", moved, moved=number)
    pixels.press("Enter", pixels.buttons("together")[1], together=True)
    assert [row[1] for row in pixels.tables()[0]] == plain  # a pixel that keeps its place is not lost
    pixels.buttons("together")[0].click()
    pixels.wait_for(together=False)
    pixels.click_track("digit", 0.5)

    [digit] = senses.handles("digit")
    both, _, sound = senses.buttons("senses")
    senses.press("ArrowRight", digit, times=14, digit=14)
    senses.press("Enter", both)
    senses.press("Enter", sound, senses="sound", digit=14)
    both.click()
    senses.wait_for(senses="image and sound")
    senses.click_track("digit", 0.7)
    looks(pixels, senses)
