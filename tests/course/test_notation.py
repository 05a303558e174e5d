"""The table of letters has the numbers of the model that it is given."""

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from tiny import TINY

from perceiver_edu import PerceiverIOConfig, PerceiverIOForMaskedLM
from perceiver_edu.course import notation

InteractiveShell.instance()  # `display` speaks to this, as in a notebook


def test_every_letter_has_the_models_number_and_deepminds():
    model = PerceiverIOForMaskedLM(PerceiverIOConfig(**TINY | dict(num_blocks=2)))
    with capture_output() as shown:
        notation(model)
    rows = shown.outputs[0].data["text/markdown"].splitlines()[2:]
    cells = [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in rows]
    assert {letter: (ours, real) for letter, _, ours, real in cells} == {
        "B": ("you choose", "you choose"),
        "M": ("up to 29", "up to 2,048"),
        "C": ("16", "768"),
        "N": ("5", "256"),
        "D": ("12", "1,280"),
        "L": ("6", "26"),
        "O": ("up to 29", "up to 2,048"),
        "E": ("16", "768"),
        "V": ("262", "262"),
    }
