import re
from pathlib import Path

import pytest

from perceiver_edu import load_pretrained
from perceiver_edu.config import PerceiverIOConfig

SHEET = (Path(__file__).parents[1] / "docs" / "cheatsheet.md").read_text("utf-8")


def test_its_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", SHEET, re.DOTALL)[1], names)
    assert names["logits"].shape == (2, 2, 262) and (tmp_path / "my model").is_dir()
    assert capsys.readouterr().out.startswith(f"{names['holes'][0][0].text} ")


@pytest.mark.parametrize(
    "name, config", [("language-perceiver", PerceiverIOConfig()), ("embedded", load_pretrained().config)]
)
def test_its_sizes_are_those_of_the_configs(name, config):
    row = re.search(rf"^\| {name} \| (.*) \|$", SHEET, re.MULTILINE)[1].replace(",", "").split(" | ")
    sizes = (config.max_position_embeddings, config.d_model, config.num_latents, config.d_latents)
    layers = (config.num_self_attends_per_block, config.num_self_attention_heads)
    assert tuple(map(int, row[:8])) == (*sizes, *layers, config.d_model, config.vocab_size)


def test_its_commands_exist():
    from perceiver_edu.cli import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert {name for name in re.findall(r"\| `perceiver-edu (\w+)", SHEET)} <= known
