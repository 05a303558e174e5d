"""The letters of the course, with the numbers of a model beside them."""

from perceiver_edu.config import PerceiverIOConfig


def notation(model) -> None:
    """Show what each letter stands for, and its value in `model` and in DeepMind's."""
    from IPython.display import Markdown, display

    ours, real = model.config, PerceiverIOConfig()

    def row(letter: str, meaning: str, size) -> str:
        return f"| **{letter}** | {meaning} | {size(ours)} | {size(real)} |"

    longest = "up to {.max_position_embeddings:,}".format
    rows = [
        "| letter | number of | this model | DeepMind's |",
        "|---|---|---|---|",
        row("B", "texts in a batch", lambda c: "you choose"),
        row("M", "inputs of a text, one for each id", longest),
        row("C", "channels of an input", "{.d_model:,}".format),
        row("N", "latents", "{.num_latents:,}".format),
        row("D", "channels of a latent", "{.d_latents:,}".format),
        row("L", "layers of the processor", lambda c: c.num_blocks * c.num_self_attends_per_block),
        row("O", "output queries, one for each output that you request", longest),
        row("E", "channels of an output query, and of an output", "{.d_model:,}".format),
        row("V", "ids to choose from", "{.vocab_size:,}".format),
    ]
    display(Markdown("\n".join(rows)))
