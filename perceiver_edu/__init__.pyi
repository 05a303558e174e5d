from .config import PerceiverIOConfig as PerceiverIOConfig
from .errors import InputError as InputError
from .fast import optimize as optimize
from .filling import Filling as Filling
from .filling import fill_mask as fill_mask
from .model import PerceiverIOForMaskedLM as PerceiverIOForMaskedLM
from .tokenizer import ByteTokenizer as ByteTokenizer
from .weights.pretrained import from_huggingface as from_huggingface
from .weights.pretrained import load_pretrained as load_pretrained
from .weights.pretrained import save_pretrained as save_pretrained
from .weights.pretrained import weights_name as weights_name

__version__: str
