"""The published values of `deepmind/language-perceiver`: proof that a download is what it should be."""

import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.errors import InputError
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer

# From Hugging Face's integration test, fp32.
TEXT = "This is an incomplete sentence where some words are missing."
HOLE = range(52, 61)
LOGITS = [  # of the first three positions, the first three ids
    [-10.8609, -10.7651, -10.9187],
    [-12.1689, -11.9389, -12.1479],
    [-12.1518, -11.9707, -12.2073],
]
FILLING = " missing."


@torch.no_grad()
def golden_check(model: PerceiverIOForMaskedLM) -> float:
    """Hold `deepmind/language-perceiver` to its published values -> the largest difference from them.

    Raises: InputError where they differ by more than 1e-4 (absolute plus relative), or the hole is filled
    otherwise.
    """
    tokenizer = ByteTokenizer()
    ids, _ = tokenizer.batch([TEXT])
    ids[0, HOLE] = tokenizer.MASK
    asked = torch.tensor([0, 1, 2, *HOLE])
    if model.config.max_position_embeddings < ids.shape[1]:
        raise InputError(
            "these are not the published weights: the model's maximum length is too short for the text"
        )
    with eval_mode(model):
        logits = model(ids.to(model.device), positions=asked.to(model.device))[0].float().cpu()
    golden = torch.tensor(LOGITS)
    largest = float((logits[:3, :3] - golden).abs().max())
    filling = tokenizer.decode(logits[3:].argmax(-1))
    if filling != FILLING or not torch.allclose(logits[:3, :3], golden, rtol=1e-4, atol=1e-4):
        raise InputError(
            f"these are not the published weights: logits differ by {largest:.1e}, the hole reads {filling!r}"
        )
    return largest
