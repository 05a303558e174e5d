"""The packing pictures show the padding that is there, and return what they draw."""

import pytest
import torch

from perceiver_edu.instruments.plots.packing import packing_strip, packing_waste
from perceiver_edu.training.corpus import crop_pack

DOCUMENTS = ["a" * 12, "b" * 5, "c" * 20]


def test_a_strip_holds_its_crops_documents_and_padding(ax):
    alone = [crop_pack([document], 10) for document in DOCUMENTS]  # 2 + 1 + 3 crops of 8 bytes
    joined = [crop_pack(DOCUMENTS, 10)]  # 12 + 1 + 5 + 1 + 20 = 39 ids in 5 crops
    shares = packing_strip(ax, {"alone": alone, "joined": joined})
    assert shares == pytest.approx({"alone": (4 + 3 + 4) / 60, "joined": 1 / 50})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["alone", "joined"]
    assert [text.get_text().strip() for text in ax.texts] == ["6 crops, 18% padding", "5 crops, 2% padding"]

    first, second = (torch.tensor(image.get_array().data)[0] for image in ax.images)
    assert first.tolist() == [2] * 16 + [1] * 4 + [3] * 7 + [1] * 3 + [2] * 26 + [1] * 4
    assert second.tolist() == [2] * 15 + [3] * 8 + [2] * 26 + [1] + [0] * 10
    assert [len(lines.get_segments()) for lines in ax.collections] == [7, 6]  # a line at each end of a crop


def test_a_bar_for_each_number_of_documents(ax):
    packing_waste(ax, [0.3, 0.2, 0.04], [0.31, 0.18, 0.12], marked=2)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([30, 20, 4])
    assert [bar.get_alpha() == 1 for bar in ax.patches] == [False, True, False]
    assert {text.get_text() for text in ax.texts} == {"30", "20", "4"}  # every second one, and the marked one
    assert ax.lines[0].get_ydata() == pytest.approx([31, 18, 12])
