"""A label with Chinese characters gets a font that has them; all others keep theirs."""

from matplotlib import pyplot as plt

from perceiver_edu.instruments.plots import style


def test_only_labels_with_chinese_characters_get_chinese_fonts(monkeypatch):
    monkeypatch.setattr(style, "chinese_fonts", lambda: ["A Chinese Font"])
    figure, ax = plt.subplots()
    ax.set(xlabel="bytes", title="字节（bytes）")
    mono = ax.text(0, 0, "字", family="monospace")
    before = ax.xaxis.label.get_fontfamily()
    style.add_chinese_fonts(figure)
    assert ax.title.get_fontfamily()[-1] == "A Chinese Font"
    assert mono.get_fontfamily() == ["monospace", "A Chinese Font"]
    assert ax.xaxis.label.get_fontfamily() == before
    plt.close(figure)


def test_only_fonts_of_this_machine_are_named():
    assert set(style.chinese_fonts()) <= set(style.font_manager.get_font_names())
