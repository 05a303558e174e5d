"""Exercise 04.attribution: which part of the decoder a byte owes its score to."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import distance, numbers, redrawn
from perceiver_edu.course.place import translated
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.embedding import Embedding
from perceiver_edu.tokenizer import ByteTokenizer

SIZES = {"O": 4, "E": 8, "V": 11}


def attribution_cases():
    draw = numbers(12)
    embedding = redrawn(Embedding(SIZES["V"], 6, SIZES["E"]), draw, scale=1.0)
    attended, thought, bias = draw(SIZES["O"], SIZES["E"]), draw(SIZES["O"], SIZES["E"]), draw(SIZES["V"])
    byte, rival = torch.tensor([7, 9, 6, 10]), torch.tensor([8, 6, 10, 9])
    given = dict(attended=attended, thought=thought, embedding=embedding, bias=bias, byte=byte, rival=rival)
    return {"four outputs": given, "a bias of 0": given | {"bias": torch.zeros_like(bias)}}


def attribution_variant(attended, thought, embedding, bias, byte, rival, rule="", biased=""):
    """What attention, MLP and bias add to the score of `byte` over that of `rival`, each (O,)."""
    table = embedding.byte_embedding.weight
    ours, theirs = table[byte], table[rival]
    direction = {"one byte": ours, "turned": theirs - ours, "sum": ours + theirs}.get(rule, ours - theirs)
    if rule == "unit":
        direction = direction / direction.norm(dim=-1, keepdim=True)
    if rule == "positions":
        places = embedding.position_embedding.weight
        direction = places[byte % len(places)] - places[rival % len(places)]
    parts = {"attention": attended, "mlp": thought}
    if rule == "mlp is all":
        parts["mlp"] = attended + thought
    added = {name: (part * direction).sum(-1) for name, part in parts.items()}
    if rule == "absolute":
        added = {name: value.abs() for name, value in added.items()}
    own = {"one byte": bias[byte], "turned": bias[rival] - bias[byte]}.get(rule, bias[byte] - bias[rival])
    return added | {"bias": torch.zeros_like(own) if biased == "none" else own}


def attribution_properties(arguments):
    def adds_up(call):
        parts = call(**arguments)
        outputs, table = (
            arguments["attended"] + arguments["thought"],
            arguments["embedding"].byte_embedding.weight,
        )
        scores = outputs @ table.T + arguments["bias"]  # (O, V)
        rows = torch.arange(len(scores))
        wanted = scores[rows, arguments["byte"]] - scores[rows, arguments["rival"]]
        gap = distance(sum(parts.values()), wanted)
        return gap < 1e-6, translated("off by {gap:.2g}", gap=gap)

    yield "the three parts add up to the difference of the two scores", adds_up


def attribution_in_model(function, report):
    """The bytes of a sentence against the best rival of each, in the pretrained model."""
    parts, lead = leads("She opened the door.", function)
    means = [f"{float(part.mean()):+.2f}" for part in (*parts.values(), lead)]
    header = (
        translated("the right byte's lead over its best rival, mean of the text"),
        *parts,
        translated("all"),
    )
    report.table(header, [(translated("by your function, and by the model"), *means)])
    gap = distance(sum(parts.values()), lead)
    report.say(translated("Largest difference between your sum and the model's lead: {gap:.1e}.", gap=gap))
    return gap <= 1e-4 * max(1.0, float(lead.abs().max()))


@torch.no_grad()
def leads(text: str, function=attribution_variant) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """What leads each byte of a text to win over its best rival in the pretrained model.

    -> the parts by `function`, as in the exercise, and the model's own lead, each (bytes,).
    """
    model, tokenizer = pretrained(), ByteTokenizer()
    ids = torch.tensor([tokenizer.encode(text)], device=model.device)
    asked = torch.arange(1, ids.shape[1] - 1, device=model.device)
    c, latents = model.decoder.cross_attend, model.processor(model.encoder(model.embedding(ids)))
    attended = c.attention(c.q_norm(model.queries(asked)), c.kv_norm(latents))[0]  # (O, E)
    thought = c.mlp(c.mlp_norm(attended))
    scores = model(ids, positions=asked)[0]  # (O, V)
    byte, rows = ids[0, asked], torch.arange(len(asked))
    rival = scores.scatter(1, byte[:, None], -torch.inf).argmax(-1)
    given = dict(attended=attended, thought=thought, embedding=model.embedding, bias=model.mlm_head.bias)
    return call(function, given | {"byte": byte, "rival": rival}), scores[rows, byte] - scores[rows, rival]


EXERCISE = Exercise(
    title="what a score is made of",
    about="10 minutes · medium",
    name="attribution",
    cases=attribution_cases,
    variant=attribution_variant,
    mistakes={
        "rule": {
            "one byte": "These are contributions to the byte's own score. Its lead over the rival is needed, "
            "so take the difference of the two vectors and of the two biases.",
            "turned": "The sign is reversed: this is the rival's lead over the byte.",
            "sum": "The vectors of the two bytes are added. The lead is a difference.",
            "unit": "The difference of the two vectors is divided by its norm. The head uses the plain "
            "product.",
            "positions": "The vectors are taken from the position embedding. Those of the bytes are in "
            "`byte_embedding`.",
            "mlp is all": "The MLP's contribution includes attention's as well. It is that of the MLP's "
            "branch alone, `thought`.",
            "absolute": "You took absolute values. A contribution can be negative, when it favours the "
            "rival.",
        },
        "biased": {"none": "The bias is left out. It differs between the two bytes."},
    },
    properties=attribution_properties,
    sizes=lambda **_: SIZES,
    in_model=attribution_in_model,
)
