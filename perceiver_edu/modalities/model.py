"""The figure again, with two doors open: what the inputs are, and what is asked."""

from torch import nn

from perceiver_edu.modalities.multimodal import check_mask


class PerceiverIO(nn.Module):
    """Any input array, any queries, and between them the very stages that text goes through."""

    def __init__(self, inputs, encoder, processor, queries, decoder, head):
        super().__init__()
        self.inputs = inputs  # an adapter: raw data -> inputs (B, M, C)
        self.encoder = encoder
        self.processor = processor
        self.queries = queries  # (inputs, points) -> queries (B or 1, O, E)
        self.decoder = decoder
        self.head = head  # (outputs, points) -> the answer
        self.architecture = self.config = None  # of Hugging Face's, where it is one of theirs

    def forward(self, x, mask=None, points=None):
        """x: raw data, as the adapter takes it; mask (B, M) bool, True = real; points: what to decode.

        `points` is what the queries take: (O,) int64, a dictionary of them by modality, or None = all.

        Raises: InputError for data, a mask or points that do not fit.
        """
        inputs = self.inputs(x)  # (B, M, C)
        check_mask(mask, inputs)
        latents = self.encoder(inputs, mask)  # (B, N, D)
        latents = self.processor(latents)  # (B, N, D)
        outputs = self.decoder(self.queries(inputs, points), latents)  # (B, O, E)
        return self.head(outputs, points)
