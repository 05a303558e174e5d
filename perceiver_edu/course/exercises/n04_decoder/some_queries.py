"""Exercise 04.some_queries: decode only the asked positions."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import distance, numbers, redrawn
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.decoder import Decoder
from perceiver_edu.tokenizer import ByteTokenizer

SIZES = {"B": 2, "O": 4, "P": 13, "E": 16, "N": 5, "D": 7}


class Asked:
    """A decoder that notes how many rows each call asked for, all texts together."""

    def __init__(self, decoder):
        self.decoder, self.rows = decoder, []

    def __call__(self, queries, latents):
        self.rows.append(queries.shape[-2] * len(latents))
        try:
            return self.decoder(queries, latents)
        except RuntimeError:
            got = f"{tuple(queries.shape)} and latents of shape {tuple(latents.shape)}"
            says = translated(
                "the decoder got queries of shape {got}; it takes (B or 1, O, E) and (B, N, D).", got=got
            )
            raise Misfit(says) from None

    def __deepcopy__(self, memo):
        return self


def query_cases():
    s, draw = SIZES, numbers(4)
    decoder = redrawn(Decoder(s["E"], s["D"], qk_channels=8, v_channels=8, num_heads=2), draw)
    queries, latents = draw(s["P"], s["E"]), draw(s["B"], s["N"], s["D"])
    given = {"queries": queries, "decoder": Asked(decoder), "latents": latents}
    same, own = torch.tensor([7, 2, 11, 2]), torch.tensor([[7, 2, 11, 2], [1, 5, 3, 8]])
    return {
        "the same positions in every text, (O,)": {"positions": same} | given,
        "positions of its own for each text, (B, O)": {"positions": own} | given,
    }


def queries_variant(positions, queries, decoder, latents, wrong=""):
    """positions (O,) or (B, O), queries (P, E), latents (B, N, D) -> outputs (B, O, E)."""
    rows = decoder.decoder if isinstance(decoder, Asked) else decoder

    def ask(places):  # (O,) or (B, O)
        chosen = queries[places]
        return rows(chosen if places.dim() == 2 else chosen[None], latents)

    if wrong in ("channels", "all pairs"):
        outputs = rows(queries[None], latents)  # (B, P, E)
        return outputs[:, :, positions] if wrong == "channels" else outputs[:, positions]
    if wrong == "mask":
        return ask(torch.isin(torch.arange(len(queries)), positions).nonzero().squeeze(1))
    places = {
        "first": torch.arange(positions.shape[-1]),
        "too far": positions + 1,
        "too early": positions - 1,
        "first text": positions.reshape(-1, positions.shape[-1])[0],
        "flat": positions.flatten(),
        "sorted": positions.sort(-1).values,
    }
    return ask(places.get(wrong, positions))


def queries_properties(arguments):
    def count(call):
        arguments["decoder"].rows.clear()
        call(**arguments)
        seen, texts = sum(arguments["decoder"].rows), len(arguments["latents"])
        asked = texts * arguments["positions"].shape[-1]
        return seen <= asked, translated(
            "{seen} rows decoded in {texts} texts, {asked} requested", seen=seen, texts=texts, asked=asked
        )

    yield "only the requested queries go through the decoder", count


def queries_in_model(function, report):
    """Two texts, each with its own hole, decoded in the pretrained model by the learner's code."""
    model, tokenizer = pretrained(), ByteTokenizer()
    texts = ["She went[MASK][MASK][MASK] the house.", "It was one of[MASK][MASK][MASK] best."]
    ids, mask = (tensor.to(model.device) for tensor in tokenizer.batch(texts))
    asked = torch.stack([(row == tokenizer.MASK).nonzero().squeeze(1) for row in ids])  # (B, O)
    with torch.no_grad():
        latents = model.processor(model.encoder(model.embedding(ids), mask))
        array = model.queries.positions.detach()
        given = {"positions": asked, "queries": array, "decoder": model.decoder, "latents": latents}
        yours = call(function, given)
        everything = model.decoder(array[None], latents)
        wanted = torch.stack([everything[text, places] for text, places in enumerate(asked)])
        head, matrix = model.mlm_head, model.embedding.byte_embedding.weight
        filled = [head(outputs, matrix).argmax(-1) for outputs in (wanted, yours)]
    rows = [
        (text, asked[i].tolist(), repr(tokenizer.decode(filled[0][i])), repr(tokenizer.decode(filled[1][i])))
        for i, text in enumerate(texts)
    ]
    header = (
        translated("the whole model"),
        translated("asked"),
        translated("all {number} decoded, these selected", number=len(array)),
        translated("yours"),
    )
    report.table(header, rows)
    difference = distance(yours, wanted)
    report.say(translated("Largest difference of an output: {difference:.1e}.", difference=difference))
    return difference <= 1e-5 * max(1.0, float(wanted.abs().max()))


EXERCISE = Exercise(
    title="decode only what is requested",
    about="6 minutes · easy · section 3.2",
    name="decode_asked",
    cases=query_cases,
    variant=queries_variant,
    mistakes={
        "wrong": {
            "first": "These are the first O queries, at positions 0, 1, 2, … Use the requested ones, which "
            "are in `positions`.",
            "too far": "Each position is one too far. `positions` already counts [CLS], which is at 0.",
            "too early": "Each position is one too early. `positions` counts from 0, where [CLS] is, so use "
            "it as it is.",
            "first text": "The first text's positions are used for every text. With (B, O), each text has "
            "its own.",
            "flat": "With (B, O), every text gets the positions of all texts. Keep the two axes apart.",
            "all pairs": "With (B, O), `outputs[:, positions]` selects the positions of every text in every "
            "text. Select the queries first, with `queries[positions]`; then nothing has to be selected "
            "afterwards.",
            "channels": "The positions are used as an index on the last axis, the channels. Positions are "
            "the axis before it.",
            "sorted": "The positions are sorted. Return the rows in the order in which they were requested.",
            "mask": "A mask over the positions loses their order, and also that one was requested twice. Use "
            "the positions as an index.",
        }
    },
    properties=queries_properties,
    sizes=lambda **_: SIZES,
    trains=True,
    in_model=queries_in_model,
)
