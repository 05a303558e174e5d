"""Numbers from the paper, for comparison with those of this course: Jaegle et al., Perceiver IO, ICLR 2022.

Table numbers differ between the versions of the paper; these are the ICLR version's.
"""

from typing import NamedTuple


class Language(NamedTuple):
    """A row of Table 1, masked language models by their cost: what it is, and its average on GLUE."""

    name: str
    M: int  # inputs: pieces of words, or bytes
    unit: str
    N: int  # vectors that each layer works on; in BERT these are the inputs themselves
    layers: int
    parameters: int  # millions
    gflops: int  # of a forward pass, for one text
    glue: float  # average over the tasks; WNLI is left out, and MNLI counts once


TABLE_1 = [  # without the published BERT Base, and without Perceiver IO++, which has twice the FLOPs
    Language("BERT Base", 512, "pieces", 512, 12, 110, 109, 81.1),  # as the authors trained it
    Language("Perceiver IO Base", 512, "pieces", 256, 26, 223, 119, 81.2),
    Language("BERT, matched FLOPs", 2048, "bytes", 2048, 6, 20, 130, 71.5),
    Language("Perceiver IO", 2048, "bytes", 256, 26, 201, 113, 81.0),
]
