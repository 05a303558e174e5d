"""The book, built once for all tests, over HTTP and from its archive."""

import functools
import http.server
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))  # `from transforms.chapters import chapter`
BOOK, BUILD = ROOT / "build/book", ROOT / "build"


@pytest.fixture(scope="session")
def book() -> Path:
    """The folder of the book. Sphinx turns every warning into an error, so here it built without one."""
    done = subprocess.run(
        [sys.executable, DOCS / "build.py", "--zip"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return BOOK


@pytest.fixture(scope="session")
def unpacked(book, tmp_path_factory) -> Path:
    """The archive, unpacked somewhere else: its pages are opened from disk."""
    [archive] = BUILD.glob("perceiver-edu-book-*.zip")
    folder = tmp_path_factory.mktemp("offline")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "book"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(book):
    """The book as a web server gives it, below a folder, as GitHub Pages does."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=book.parent)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{book.name}/"
        server.shutdown()
