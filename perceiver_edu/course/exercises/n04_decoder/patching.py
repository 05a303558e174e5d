"""Exercise 04.patching: latents of another text, put where a query attends most, and a control."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import distance, numbers, redrawn
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.decoder import Decoder
from perceiver_edu.instruments.tracing import DECODER_MAP, record
from perceiver_edu.tokenizer import ByteTokenizer

SIZES = {"N": 7, "D": 6, "E": 8}


class Decode:
    """latents (N, D) -> the output (E,) of one query."""

    def __init__(self, decoder, query):
        self.decoder, self.query = decoder, query

    @torch.no_grad()
    def __call__(self, latents):
        return self.decoder(self.query[None, None], latents[None])[0, 0]

    def __deepcopy__(self, memo):
        return self


def patching_cases():
    draw = numbers(21)
    decoder = redrawn(Decoder(SIZES["E"], SIZES["D"], qk_channels=8, v_channels=8, num_heads=2), draw)
    own, donor = draw(SIZES["N"], SIZES["D"]), draw(SIZES["N"], SIZES["D"])
    given = dict(own=own, donor=donor, decode=Decode(decoder, draw(SIZES["E"])))
    weights = torch.tensor([0.05, 0.30, 0.02, 0.20, 0.08, 0.25, 0.10], dtype=torch.float64)
    return {
        "two latents": given | dict(weights=weights, k=2),
        "one latent": given | dict(weights=weights, k=1),
    }


def patching_variant(own, donor, decode, weights, k, rows="", how="", control=""):
    """{"patched", "control"}: the output with k latents of the donor, the most attended and the least."""
    order = weights.argsort(descending=True)
    most, least = order[:k], order[-k:]
    if rows == "exchanged":
        most, least = least, most
    if rows == "first":
        most, least = torch.arange(k), torch.arange(len(own) - k, len(own))
    if rows == "one more":
        most, least = order[: k + 1], order[-k - 1 :]

    def patched(rows):
        mixed = own.clone()
        mixed[rows] = donor[rows]
        if how == "turned":
            mixed = donor.clone()
            mixed[rows] = own[rows]
        if how == "zero":
            mixed[rows] = 0
        if how == "mean":
            mixed[rows] = (own[rows] + donor[rows]) / 2
        if how == "added":
            mixed[rows] = own[rows] + donor[rows]
        return decode(donor if how == "all" else mixed)

    controls = {
        "own": lambda: decode(own),
        "donor": lambda: decode(donor),
        "the rest": lambda: patched(order[k:]),
    }
    return {"patched": patched(most), "control": controls.get(control, lambda: patched(least))()}


@torch.no_grad()
def patching_in_model(function, report):
    """A word of one sentence put into another, query by query, in the pretrained model."""
    pair = "She opened the door.", "She opened the gate.", 4
    result = patch_words(*pair, function)
    rows = [(name, f"{own:.0%}", f"{donor:.0%}") for name, (own, donor) in result.items()]
    report.table(
        (
            translated("mean probability in the whole model"),
            translated("own byte"),
            translated("donor's byte"),
        ),
        rows,
    )
    wanted = patch_words(*pair)
    return all(distance(torch.tensor(result[name]), torch.tensor(wanted[name])) < 1e-4 for name in wanted)


@torch.no_grad()
def patch_words(text: str, other: str, k: int, function=patching_variant) -> dict[str, tuple[float, float]]:
    """Patch the query of each position where two sentences of one length differ.

    -> {"untouched", "patched", "control": (probability of the text's own byte, of the other's), the mean}
    """
    model, tokenizer = pretrained(), ByteTokenizer()
    ids = torch.tensor([tokenizer.encode(text), tokenizer.encode(other)], device=model.device)  # (2, M)
    asked = (ids[0] != ids[1]).nonzero().flatten()
    with record(model, DECODER_MAP) as seen:
        model(ids, positions=asked)
    weights = seen[DECODER_MAP][0][0].mean(0)  # (O, N), of the first text
    own, donor = model.processor(model.encoder(model.embedding(ids)))  # each (N, D)
    queries, found = model.queries(asked)[0], {}
    for place, query, weight in zip(asked.tolist(), queries, weights, strict=True):
        decode = Decode(model.decoder, query)
        outputs = {"untouched": decode(own)}
        outputs |= call(function, dict(own=own, donor=donor, decode=decode, weights=weight, k=k))
        for name, output in outputs.items():
            shares = model.mlm_head(output, model.embedding.byte_embedding.weight).softmax(-1)
            found.setdefault(name, []).append(shares[ids[:, place]])
    return {name: tuple(torch.stack(rows).mean(0).tolist()) for name, rows in found.items()}


EXERCISE = Exercise(
    title="patch what a query attends to",
    about="12 minutes · medium",
    name="patching",
    cases=patching_cases,
    variant=patching_variant,
    mistakes={
        "rows": {
            "exchanged": "Patched and control are swapped: the latents with the largest weights are the ones "
            "to patch, and the control takes those with the smallest.",
            "first": "You patched the first k latents. Patch the k latents with the largest `weights`.",
            "one more": "You patched one latent too many, k + 1.",
        },
        "how": {
            "turned": "The two texts are swapped, so everything except these latents is the donor's. Start "
            "from `own`.",
            "zero": "The latents are set to zero, which is ablation. Patching replaces them by the donor's.",
            "mean": "You used the mean of both texts. Use the donor's latents themselves.",
            "added": "The donor's latents are added to the text's own. They should replace them.",
            "all": "All latents are the donor's. Patch only k of them.",
        },
        "control": {
            "own": "The control is not patched at all. A control shares everything but the suspected cause, "
            "so patch as many latents, those with the smallest weights.",
            "donor": "The control has all latents of the donor. Patch only k, those with the smallest "
            "weights.",
            "the rest": "The control patches all the other latents, so it also differs in their number. "
            "Patch only k, those with the smallest weights.",
        },
    },
    sizes=lambda **_: SIZES,
    in_model=patching_in_model,
)
