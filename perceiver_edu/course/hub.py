"""The real weights, where this machine has them or can get them; it never waits long for a network."""

from pathlib import Path

from perceiver_edu.errors import InputError
from perceiver_edu.weights.hub import REAL, answers
from perceiver_edu.weights.hub import download as fetch

MEGABYTES = 805


def real_weights(download: bool = False) -> Path | None:
    """The folder of `deepmind/language-perceiver` in the local cache, or None where it is not there.

    Nothing goes over the network unless `download`; then what is missing is fetched, with a progress bar.

    Raises: InputError where it shall be fetched and the hub does not answer.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    files = {name: try_to_load_from_cache(REAL, name) for name in ("config.json", "model.safetensors")}
    files = {name: Path(path) for name, path in files.items() if isinstance(path, str)}
    if len(files) == 2:
        return files["config.json"].parent
    if not download:
        return None
    if constants.HF_HUB_OFFLINE or not answers(constants.ENDPOINT):
        raise InputError(
            f"the hub ({constants.ENDPOINT}) cannot be reached, so nothing was downloaded. Check the "
            "connection"
        )
    return fetch(REAL)
