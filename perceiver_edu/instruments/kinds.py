"""Three kinds of attention pattern in the encoder (paper, appendix F.3, Figure 7), and a criterion."""

from collections.abc import Callable, Sequence

import torch

from perceiver_edu.borrow import eval_mode
from perceiver_edu.instruments.tracing import ENCODER_MAP, record
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer

KINDS = ("position", "periodic", "content", "other")
WINDOW = 8  # positions: a sharp pattern has most of its attention weight within so many


def attention_kind(weights: torch.Tensor, limit: float = 0.5) -> str:
    """Return the kind of one latent's attention with one head: weights (T, M) in T texts, rows sum to 1.

    "content" if, in the mean over the texts, more than `limit` of the attention weight moves with the text;
    else "position" if more than `limit` of it is within 8 neighbouring positions; else "periodic" if its
    peaks repeat at a regular distance; else "other". Jaegle et al. 2021, appendix F.3, Figure 7.
    """
    mean = weights.mean(0)  # (M,): what does not depend on the text
    moved = (weights - mean).abs().sum(-1).mean() / 2  # 0: the same in every text, 1: nothing in common
    if moved > limit:
        return "content"
    if mean.unfold(0, WINDOW, 1).sum(-1).max() > limit:
        return "position"
    has_peaks = mean.max() > 2 * mean.mean()
    return "periodic" if has_peaks and _rise(mean) > limit else "other"


def _rise(mean: torch.Tensor) -> float:
    """By how much the correlation of a pattern (M,) with itself, shifted, rises again after it has fallen."""
    M = len(mean)
    spectrum = torch.fft.rfft(mean - mean.mean(), 2 * M)  # padded, so that the end does not meet the start
    lags = torch.arange(M // 2)
    products = torch.fft.irfft(spectrum.abs().square())[: M // 2] / (M - lags)
    correlation = products / products[0].clamp_min(1e-20)
    return float((correlation - correlation.cummin(0).values).max())


@torch.no_grad()
def maps_over_texts(model: PerceiverIOForMaskedLM, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the encoder's attention in T texts that are truncated to the same length of M bytes.

    -> weights (T, heads, N, M) on the bytes alone, whose rows sum to 1; and (heads, N), the attention weight
    on [CLS] and [SEP], which the first leaves out. The name of a special id in a text is read as its bytes,
    and a character may be cut. The model runs in eval mode, and is left in its own mode.
    """
    T = ByteTokenizer
    encoded = [text.encode() for text in texts]
    length = min(model.config.max_position_embeddings - 2, *map(len, encoded))
    rows = [[T.CLS, *(byte + T.BYTE_OFFSET for byte in text[:length]), T.SEP] for text in encoded]
    with eval_mode(model), record(model, ENCODER_MAP) as seen:
        model.encoder(model.embedding(torch.tensor(rows, device=model.device)))
    weights = seen[ENCODER_MAP][0].float().cpu()  # (T, heads, N, M + 2)
    on_bytes = weights[..., 1:-1]
    left = on_bytes.sum(-1, keepdim=True)
    return on_bytes / left.clamp_min(1e-20), 1 - left[..., 0].mean(0)


def count_kinds(
    weights: torch.Tensor, special: torch.Tensor, kind: Callable[[torch.Tensor], str] = attention_kind
) -> list[list[str]]:
    """Return the kind of every head and latent; "special" if [CLS] and [SEP] get most attention weight.

    weights (T, heads, N, M), special (heads, N) as `maps_over_texts` returns them -> a list for each head.
    """
    heads, N = special.shape
    return [
        ["special" if special[h, n] > 0.5 else kind(weights[:, h, n]) for n in range(N)] for h in range(heads)
    ]
