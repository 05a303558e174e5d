"""Images, audio, video and any of them together: other adapters and queries around the same three stages."""

from perceiver_edu.modalities import architectures
from perceiver_edu.modalities.adapters import (
    AudioPatches,
    Conv1x1,
    ConvStem,
    OneInput,
    Patches,
    Pixels,
    WithPositions,
)
from perceiver_edu.modalities.heads import AudioHead, ClassHead, DenseHead, MultimodalHead
from perceiver_edu.modalities.huggingface import from_huggingface, load_pretrained
from perceiver_edu.modalities.model import PerceiverIO
from perceiver_edu.modalities.multimodal import ModalityPadding, MultimodalInputs, modality_mask
from perceiver_edu.modalities.parity import compare_with_huggingface
from perceiver_edu.modalities.positions import (
    FourierPositions,
    LearnedPositions,
    ProjectedPositions,
    grid_positions,
    point_positions,
)
from perceiver_edu.modalities.queries import GridQueries, InputQueries, LearnedQueries, MultimodalQueries

__all__ = [
    "AudioHead",
    "AudioPatches",
    "ClassHead",
    "Conv1x1",
    "ConvStem",
    "DenseHead",
    "FourierPositions",
    "GridQueries",
    "InputQueries",
    "LearnedPositions",
    "LearnedQueries",
    "ModalityPadding",
    "MultimodalHead",
    "MultimodalInputs",
    "MultimodalQueries",
    "OneInput",
    "Patches",
    "PerceiverIO",
    "Pixels",
    "ProjectedPositions",
    "WithPositions",
    "architectures",
    "compare_with_huggingface",
    "from_huggingface",
    "grid_positions",
    "load_pretrained",
    "modality_mask",
    "point_positions",
]
