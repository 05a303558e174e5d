import inspect
import textwrap

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from perceiver_edu import PerceiverIOForMaskedLM
from perceiver_edu.course import show_source

InteractiveShell.instance()  # `display` speaks to this, as in a notebook


def test_the_source_shown_is_the_source_that_runs():
    with capture_output() as shown:
        show_source(PerceiverIOForMaskedLM.forward)
    markdown = shown.outputs[0].data["text/markdown"]
    assert markdown.startswith("`perceiver_edu/model.py`, line ")
    code = markdown.split("```python\n")[1].split("\n```")[0]
    assert code == textwrap.dedent(inspect.getsource(PerceiverIOForMaskedLM.forward)).rstrip()
    compile(code, "shown", "exec")
