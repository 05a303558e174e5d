from .config import PerceiverIOConfig as PerceiverIOConfig
from .errors import InputError as InputError
from .fast import optimize as optimize
from .filling import Filling as Filling
from .filling import fill_mask as fill_mask
from .filling import fill_masks as fill_masks
from .model import PerceiverIOForMaskedLM as PerceiverIOForMaskedLM
from .tokenizer import ByteTokenizer as ByteTokenizer
from .training.classify import load_classifier as load_classifier
from .training.predict import predict_labels as predict_labels
from .weights.pretrained import from_huggingface as from_huggingface
from .weights.pretrained import load_pretrained as load_pretrained
from .weights.pretrained import save_pretrained as save_pretrained
from .weights.pretrained import weights_name as weights_name

__version__: str
