"""Text <-> byte ids. There is no vocabulary to learn: id = byte + 6, below that six special ids."""

import re
from collections.abc import Iterable, Sequence
from operator import index

import torch

from perceiver_edu.errors import InputError, brief, whole_number


class ByteTokenizer:
    """UTF-8 bytes as ids, the same ids as Hugging Face's `PerceiverTokenizer`.

    A special token typed inside a text ("[MASK]", "[CLS]", …) becomes its id, as it does there.
    """

    SPECIAL_TOKENS = ("[PAD]", "[BOS]", "[EOS]", "[MASK]", "[CLS]", "[SEP]")
    PAD, BOS, EOS, MASK, CLS, SEP = range(6)
    BYTE_OFFSET = len(SPECIAL_TOKENS)
    VOCAB_SIZE = 256 + BYTE_OFFSET

    _special = re.compile("(" + "|".join(map(re.escape, SPECIAL_TOKENS)) + ")")

    def encode(
        self,
        text: str,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        truncation: bool = False,
    ) -> list[int]:
        """Return the ids of one text; with `add_special_tokens`, [CLS] before and [SEP] after them.

        Raises: InputError for a text that has no UTF-8 form, or for one longer than `max_length` ids (special
        tokens included) unless `truncation` is true; for a `max_length` that is no length.
        """
        if not isinstance(text, str):
            raise InputError(f"a text must be a str, got {type(text).__name__}")
        if max_length is not None:
            whole_number("max_length", max_length, 0)
        ids = []
        for piece in self._special.split(text):
            if piece in self.SPECIAL_TOKENS:
                ids.append(self.SPECIAL_TOKENS.index(piece))
            else:
                ids.extend(byte + self.BYTE_OFFSET for byte in self._to_utf8(piece))

        num_special = 2 if add_special_tokens else 0
        if max_length is not None and len(ids) + num_special > max_length:
            if not truncation:
                raise InputError(
                    f"the text is {len(ids) + num_special} ids long ({num_special} of them [CLS] and [SEP]), "
                    f"which is more than {max_length}: shorten it, or pass truncation=True to truncate it"
                )
            if max_length < num_special:
                raise InputError(f"max_length {max_length} has no room for [CLS] and [SEP]")
            ids = ids[: max_length - num_special]
        return [self.CLS, *ids, self.SEP] if add_special_tokens else ids

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        """Ids -> text; a special id reads "[MASK]", and half a character "\\ufffd".

        Raises: InputError for an id outside 0..261.
        """
        out = bytearray()
        for i in ids:
            try:
                i = index(i)
            except TypeError:
                raise InputError(f"an id must be a whole number, got {brief(i)}") from None
            if not 0 <= i < self.VOCAB_SIZE:
                raise InputError(f"id {i} is not in the vocabulary 0..{self.VOCAB_SIZE - 1}")
            if i >= self.BYTE_OFFSET:
                out.append(i - self.BYTE_OFFSET)
            elif not skip_special_tokens:
                out.extend(self.SPECIAL_TOKENS[i].encode())
        return out.decode("utf-8", errors="replace")

    def batch(
        self, texts: Sequence[str], pad_to: int | None = None, truncation: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ids (B, M) int64 of several texts, and the mask (B, M) bool, False for [PAD].

        M is `pad_to`, or else the length of the longest text.

        Raises: InputError for no texts, or for one longer than `pad_to` without `truncation`.
        """
        if isinstance(texts, str):
            raise InputError("batch takes a list of texts, not one str: wrap it as [text]")
        if pad_to is not None:
            whole_number("pad_to", pad_to, 1, 2**20)
        rows = [self.encode(text, max_length=pad_to, truncation=truncation) for text in texts]
        if not rows:
            raise InputError("batch needs at least one text")
        length = pad_to or max(map(len, rows))
        ids = torch.full((len(rows), length), self.PAD)
        for row, row_ids in zip(ids, rows, strict=True):
            row[: len(row_ids)] = torch.tensor(row_ids)
        mask = torch.arange(length) < torch.tensor([[len(row_ids)] for row_ids in rows])
        return ids, mask

    @staticmethod
    def _to_utf8(text: str) -> bytes:
        try:
            return text.encode("utf-8")
        except UnicodeEncodeError as error:
            bad = text[error.start]
            raise InputError(
                f"the text holds {bad!a}, half of a surrogate pair, which has no UTF-8 form"
            ) from None
