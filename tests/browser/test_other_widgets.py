"""What every experiment does in its notebook, for those that no other test here drives."""

from pathlib import Path

import pytest

from perceiver_edu.course.widgets import WIDGETS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
DRIVEN = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
OTHERS = [name for name in WIDGETS if f'"{name}")' not in DRIVEN and f'WIDGETS["{name}"]' not in DRIVEN]


@pytest.mark.parametrize("name", OTHERS)
def test_every_slider_and_button_draws_anew(name, show, looks):
    view = show(name)
    for control in view.state:
        for handle in view.control(control).locator(".noUi-handle").all():
            now, lowest = (float(handle.get_attribute(f"aria-value{which}")) for which in ("now", "min"))
            keys = ("ArrowLeft", "ArrowRight") if now > lowest else ("ArrowRight", "ArrowLeft")
            for key in keys:
                view.press(key, handle)
                assert not view.problem
        for button in view.control(control).locator("button:not(.mod-active)").all():
            view.press("Enter", button)
    looks(view)
