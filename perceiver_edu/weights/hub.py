"""From the id of a repository on the Hugging Face hub to a folder on this machine."""

import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from perceiver_edu.errors import InputError
from perceiver_edu.weights.files import ONLY_A_PICKLE, shard_names

REAL = "deepmind/language-perceiver"
FILES = ("model.safetensors", "model.safetensors.index.json")  # the first that is there
PATIENCE = 3.0  # seconds: how long the hub may take to say that it is there
PAUSES = (1, 3, 9)  # seconds between tries where the hub has trouble of its own


def download(repo_id: str, revision: str | None = None) -> Path:
    """The folder in Hugging Face's cache with config and weights of `repo_id`, downloaded where missing.

    What is in the cache serves without a network; a download that broke off goes on where it can.

    Raises: InputError that says what is missing, or what stood in the way, and what to do.
    """
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    offline = is_offline()
    try:
        folder = fetch(repo_id, "config.json", revision, offline).parent
        for filename in FILES:
            try:
                path = fetch(repo_id, filename, revision, offline)
            except LocalEntryNotFoundError:
                if filename == FILES[-1]:
                    raise
                continue
            except EntryNotFoundError:
                continue
            if path.suffix == ".json":
                for shard in shard_names(path):
                    fetch(repo_id, shard, revision, offline)
            return folder
        raise InputError(f"{repo_id} has no model.safetensors, or {ONLY_A_PICKLE}")
    except GatedRepoError:
        raise InputError(
            f"{repo_id} is gated: ask for access on its page, then run `hf auth login`"
        ) from None
    except RevisionNotFoundError:
        raise InputError(f"{repo_id} has no revision {revision!r}") from None
    except RepositoryNotFoundError:
        raise InputError(
            f"the hub has no repository {repo_id!r}, or it is private (then `hf auth login`); "
            "there is no such folder either"
        ) from None
    except LocalEntryNotFoundError:
        raise out_of_reach(repo_id, 'use "embedded", which needs no network') from None
    except EntryNotFoundError:
        raise InputError(f"{repo_id} has no config.json: not a model in Hugging Face's layout") from None
    except Exception as error:
        library = type(error).__module__.partition(".")[0]  # the HTTP library that huggingface_hub uses
        if not isinstance(error, HfHubHTTPError | OSError) and library not in ("httpx", "httpx2"):
            raise
        raise InputError(f"downloading {repo_id} failed: {str(error).splitlines()[0]}; try again") from None


def is_hub_id(name: str) -> bool:
    """Can a repository on the hub have this name, with its owner's before it?"""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def fetch(repo_id: str, filename: str, revision: str | None, offline: bool) -> Path:
    """One file, from the cache or the hub; a server error (5xx) is retried."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    pauses = [*PAUSES]
    while True:
        try:
            return Path(hf_hub_download(repo_id, filename, revision=revision, local_files_only=offline))
        except HfHubHTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if status < 500 or not pauses:
                raise
            pause = pauses.pop(0)
            print(f"the hub answers {status}; retrying in {pause} s", file=sys.stderr)
            time.sleep(pause)


def is_offline() -> bool:
    """Because the user says so, or because the hub does not answer."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or not answers(constants.ENDPOINT)


def out_of_reach(what: str, instead: str) -> InputError:
    """The error for what neither the cache nor a hub out of reach can give; `instead`: what to do."""
    from huggingface_hub import constants

    todo = "connect (and unset HF_HUB_OFFLINE)"
    if not constants.ENDPOINT.startswith(("https://", "http://")):
        todo = "let HF_ENDPOINT begin with https://, as in https://hf-mirror.com"
    return InputError(
        f"{what} is not in the local cache and the hub ({constants.ENDPOINT}) cannot be reached: "
        f"{todo}, or {instead}"
    )


def answers(address: str) -> bool:
    """Does anything at this address speak HTTP, within `PATIENCE`?"""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=PATIENCE):
            return True
    except HTTPError:
        return True  # it refused, so it is there
    except URLError as error:
        import ssl

        return isinstance(error.reason, ssl.SSLError)  # it is there; the download has certificates of its own
    except (OSError, ValueError):
        return False
