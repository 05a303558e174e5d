"""Exercise 04.easy_first: a hole filled byte by byte, the most certain byte first."""

import torch

from perceiver_edu.course.exercise import Exercise
from perceiver_edu.course.exercises.layers import numbers
from perceiver_edu.course.guard import Misfit
from perceiver_edu.course.place import translated
from perceiver_edu.course.report import shown
from perceiver_edu.course.swap import call, pretrained
from perceiver_edu.tokenizer import ByteTokenizer

MASK, OFFSET = ByteTokenizer.MASK, ByteTokenizer.BYTE_OFFSET


class Predict:
    """A model to try the function on: its bytes depend on all visible ids. It notes what it is asked."""

    def __init__(self, seed, num_places=12):
        draw = numbers(seed)
        self.alone = 2 * draw(num_places, 256)
        self.effect = 2 * draw(num_places, num_places, 256)
        self.asked = []

    def __call__(self, ids, positions):
        positions = torch.as_tensor(positions)
        self.asked.append(ids.tolist())
        seen = torch.where(ids == MASK, 0.0, torch.sin(ids.double()))  # (M,)
        logits = self.alone + torch.einsum("m,mpb->pb", seen, self.effect[: len(ids)])  # (positions, 256)
        return logits[positions].softmax(-1)

    def __deepcopy__(self, memo):
        return self


def filling_cases():
    def case(seed, text, hole):
        ids = torch.tensor(ByteTokenizer().encode(text))
        ids[hole] = MASK
        return {"ids": ids, "hole": hole, "predict": Predict(seed)}

    return {
        "a hole of one byte": case(1, "He left.", [4]),
        "a hole of four bytes": case(2, "He left.", [3, 4, 5, 6]),
        "a hole of six bytes": case(3, "She left.", [4, 5, 6, 7, 8, 9]),
    }


def as_lists(result, arguments):
    """Raises: Misfit for anything but ids and an order."""
    if not isinstance(result, dict) or set(result) != {"ids", "order"}:
        raise Misfit(
            translated('expected a dict, {{"ids": …, "order": …}}; got {result}.', result=shown(result))
        )
    lists = {}
    for name, values in result.items():
        try:
            lists[name] = [int(value) for value in torch.atleast_1d(torch.as_tensor(values))]
        except (TypeError, ValueError):
            raise Misfit(
                translated(
                    "`{name}` should be a list of whole numbers; got {values}.",
                    name=name,
                    values=shown(values),
                )
            ) from None
    return {name: " ".join(map(str, values)) for name, values in lists.items()}


def filling_variant(ids, hole, predict, order="", byte="", again=True):
    """{"ids": the filled ids, "order": positions as they were filled}, with a switch for each mistake."""
    ids, left, filled = ids.clone(), list(hole), []
    once = predict(ids, hole)
    while left:
        shares = predict(ids, left) if again else once[[hole.index(place) for place in left]]
        best, values = shares.max(-1)
        entropy = -(shares * shares.clamp(min=1e-30).log()).sum(-1)
        chosen = {
            "left": 0, "right": len(left) - 1, "least": int(best.argmin()), "entropy": int(entropy.argmin()),
        }.get(order, int(best.argmax()))  # fmt: skip
        value = int(values[chosen])
        if byte == "same":  # the first position's byte
            value = int(values[0])
        if byte == "least":
            value = int(shares[chosen].argmin())
        ids[left[chosen]] = value + (0 if byte == "no offset" else OFFSET)
        filled.append(left.pop(chosen))
    return {"ids": ids, "order": sorted(filled) if order == "sorted" else filled}


def filling_properties(arguments):
    def runs(call):
        arguments["predict"].asked.clear()
        call(**arguments)
        seen, length = len(arguments["predict"].asked), len(arguments["hole"])
        return seen <= length + 1, translated("{seen} calls for {length} bytes", seen=seen, length=length)

    yield "`predict` is called about once for each byte", runs


@torch.no_grad()
def filling_in_model(function, report):
    """Two holes filled in the pretrained model, by the library's rule and by the learner's function."""
    model, tokenizer = pretrained(), ByteTokenizer()

    def predict(ids, positions):
        asked = torch.as_tensor(positions, device=model.device)
        logits = model(ids.to(model.device)[None], positions=asked)[0]  # (O, V)
        return logits.softmax(-1)[:, OFFSET : tokenizer.VOCAB_SIZE].cpu()

    rows, ok = [], True
    for sentence, hidden in (
        ("The old man shook his head and said nothing.", " head"),
        ("They were walking slowly through the woods.", " through"),
    ):
        ids = torch.tensor(tokenizer.encode(sentence))
        start = 1 + sentence.index(hidden)
        hole = list(range(start, start + len(hidden)))
        ids[hole] = MASK
        at_once = predict(ids, hole).argmax(-1) + OFFSET
        given = {"ids": ids, "hole": hole, "predict": predict}
        both = [as_lists(filling_variant(**given), {}), as_lists(call(function, given), {})]
        ok = ok and both[0] == both[1]
        texts = [
            tokenizer.decode([int(i) for i in lists["ids"].split()][start : hole[-1] + 1]) for lists in both
        ]
        rows.append((repr(hidden), repr(tokenizer.decode(at_once)), *map(repr, texts)))
    report.table(
        (
            translated("hidden"),
            translated("all at once"),
            translated("one by one, by the library"),
            translated("by your function"),
        ),
        rows,
    )
    return ok


EXERCISE = Exercise(
    title="fill the most certain byte first",
    about="12 minutes · medium",
    name="easy_first",
    cases=filling_cases,
    variant=filling_variant,
    mistakes={
        "order": {
            "left": "The hole is filled from left to right. Fill the byte of which the model is most certain "
            "first, wherever it is.",
            "right": "The hole is filled from right to left. Fill the byte of which the model is most "
            "certain first, wherever it is.",
            "least": "The least certain byte is filled first. Did you use `argmin` instead of `argmax`?",
            "entropy": "You choose the position with the lowest entropy. That is a sound rule, but the task "
            "asks for another: choose the position whose best byte has the highest probability.",
            "sorted": "`order` is sorted. List the positions in the order in which you filled them.",
        },
        "byte": {
            "no offset": "You wrote the byte itself into `ids`. An id is a byte + 6.",
            "same": "The byte belongs to the first open position, not to the one that you fill.",
            "least": "The least probable byte is written. Did you use `argmin` instead of `argmax`?",
        },
        "again": {
            False: "All bytes come from the first call of `predict`. Call it again after each byte, with "
            "that byte in `ids`, so that the remaining bytes depend on it."
        },
    },
    properties=filling_properties,
    view=as_lists,
    compared="the filled ids, and the order of filling",
    in_model=filling_in_model,
)
