"""Fine-tune the end of a model only: what the layers below make of a text is computed once and kept."""

import torch
from torch import Tensor, nn

from perceiver_edu.borrow import eval_mode
from perceiver_edu.model import PerceiverIOForMaskedLM
from perceiver_edu.tokenizer import ByteTokenizer
from perceiver_edu.training.batches import shuffled
from perceiver_edu.training.classify import (
    PerceiverIOForClassification,
    Task,
    new_classifier,
    task_losses,
)
from perceiver_edu.training.configs import seed_of
from perceiver_edu.training.features import by_length
from perceiver_edu.training.loop import learning_rate


@torch.no_grad()
def lower_latents(model: PerceiverIOForMaskedLM, texts: list[str], layers: int) -> Tensor:
    """The latents of each text after so many layers of the processor: (texts, N, D).

    Raises: InputError for a text that is too long.
    """
    rows = [ByteTokenizer().encode(text, max_length=model.config.max_position_embeddings) for text in texts]
    kept = torch.empty(len(rows), model.config.num_latents, model.config.d_latents)
    with eval_mode(model):
        for chosen, ids, mask in by_length(rows, 32, model.device):
            latents = model.encoder(model.embedding(ids), mask)
            for self_attend in model.processor.self_attends[:layers]:
                latents = self_attend(latents)
            kept[chosen] = latents.cpu()
    return kept


class Tuner(nn.Module):
    """The last layers of the processor, a new query, a new decoder and a new head: latents in, scores out."""

    def __init__(
        self, model: PerceiverIOForMaskedLM, layers: int, seed: int, labels: tuple[str, ...] = ("0", "1")
    ):
        super().__init__()
        self.whole = [new_classifier(model, [Task("label", labels)], seed)]  # a list: no part of this module
        [whole], depth = self.whole, len(model.processor.self_attends)
        self.last = nn.Sequential(*list(whole.processor.self_attends)[depth - layers :])
        self.queries, self.decoder, self.head = whole.queries, whole.decoder, whole.heads[0]

    def forward(self, latents: Tensor) -> Tensor:
        """latents (B, N, D) as `lower_latents` keeps them -> scores (B, labels)."""
        return self.head(self.decoder(self.queries(), self.last(latents))[:, 0])

    def train_on(
        self, latents: Tensor, labels: Tensor, seed: int, epochs: int, rate: float, batch: int = 16
    ) -> list[float]:
        """A few epochs -> the loss of each step."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=0.01)
        orders = [shuffled(len(labels), seed_of(seed, "order", epoch)) for epoch in range(epochs)]
        steps = [rows for order in orders for rows in order.split(batch)]
        losses = []
        for step, rows in enumerate(steps):
            optimizer.param_groups[0]["lr"] = learning_rate(step, len(steps), 0.1 * len(steps), rate)
            loss = task_losses(self(latents[rows]), labels[rows], "single").mean()
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    @torch.no_grad()
    def scores(self, latents: Tensor) -> Tensor:
        """As `forward`, a hundred texts at a time."""
        return torch.cat([self(part) for part in latents.split(100)])

    def classifier(self) -> PerceiverIOForClassification:
        """The whole classifier that this is the end of, as it is by now."""
        return self.whole[0].eval()
