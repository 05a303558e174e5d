"""The letters of the course, with the numbers of a model beside them."""

from perceiver_edu.config import PerceiverIOConfig
from perceiver_edu.course.place import translated
from perceiver_edu.language import to_translate


def notation(model) -> None:
    """Show what each letter stands for, and its value in `model` and in DeepMind's."""
    from IPython.display import Markdown, display

    ours, real = model.config, PerceiverIOConfig()

    def row(letter: str, meaning: str, size) -> str:
        return f"| **{letter}** | {translated(meaning)} | {size(ours)} | {size(real)} |"

    def longest(config: PerceiverIOConfig) -> str:
        return translated("up to {number:,}", number=config.max_position_embeddings)

    header = translated("letter"), translated("number of"), translated("this model"), translated("DeepMind's")
    rows = [
        "| " + " | ".join(header) + " |",
        "|---|---|---|---|",
        row("B", to_translate("texts in a batch"), lambda c: translated("you choose")),
        row("M", to_translate("inputs of a text, one for each id"), longest),
        row("C", to_translate("channels of an input"), "{.d_model:,}".format),
        row("N", to_translate("latents"), "{.num_latents:,}".format),
        row("D", to_translate("channels of a latent"), "{.d_latents:,}".format),
        row(
            "L",
            to_translate("layers of the processor"),
            lambda c: c.num_blocks * c.num_self_attends_per_block,
        ),
        row("O", to_translate("output queries, one for each output that you request"), longest),
        row("E", to_translate("channels of an output query, and of an output"), "{.d_model:,}".format),
        row("V", to_translate("ids to choose from"), "{.vocab_size:,}".format),
    ]
    display(Markdown("\n".join(rows)))
