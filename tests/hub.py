"""A small server on loopback that speaks as much of the Hugging Face hub's protocol as a download needs."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse


@contextmanager
def serve(repositories: dict[str, dict[str, Path]], faults: dict[str, list] | None = None, storage: str = ""):
    """Yields (address, the list of requests so far).

    Args:
        storage: the address of another server, to which this one sends for the content of large files, as the
            hub and its mirrors do.
        repositories: "owner/name" -> {revision: folder}.
        faults: "owner/name/file" -> what goes wrong, one GET after the other: a status (503), "drop" (the
            connection breaks in the middle) or "short" (more bytes announced than come).
    """
    asked, faults = [], faults or {}

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def log_message(self, *args):
            asked.append(f"{self.command} {self.path}")

        def answer(self, body):
            parts = unquote(urlparse(self.path).path).strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                return self.refuse("RepoNotFound", 404)
            revisions = repositories.get("/".join(parts[:2]))
            if revisions is None:
                return self.refuse(
                    "RepoNotFound", 401
                )  # as the hub does: it does not tell missing from private
            revision, filename = parts[3], "/".join(parts[4:])
            by_commit = {commit(name, folder): folder for name, folder in revisions.items()}
            folder = revisions.get(revision) or by_commit.get(revision)
            if folder is None:
                return self.refuse("RevisionNotFound", 404)
            sha = next(c for c, f in by_commit.items() if f == folder)
            file = folder / filename
            if not file.is_file():
                return self.refuse("EntryNotFound", 404, {"X-Repo-Commit": sha})
            content = file.read_bytes()
            troubles = faults.get(f"{parts[0]}/{parts[1]}/{filename}", [])
            trouble = troubles.pop(0) if troubles and body else None
            if trouble == 403:
                return self.refuse("GatedRepo", 403, {"X-Error-Message": "Access is restricted."})
            if isinstance(trouble, int):
                return self.refuse("Trouble", trouble)
            if storage and file.suffix == ".safetensors":
                etag = f'"{hashlib.sha256(content).hexdigest()}"'
                place = {"Location": storage + self.path, "X-Linked-Size": str(len(content))}
                return self.refuse("", 302, place | {"X-Linked-Etag": etag, "X-Repo-Commit": sha})
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", sha)
            self.send_header("Accept-Ranges", "bytes")
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if trouble in ("drop", "short"):
                self.wfile.write(content[start : (start + len(content)) // 2])
                self.close_connection = True
            elif body:
                self.wfile.write(content[start:])

        def refuse(self, code, status, headers=None):
            content = json.dumps({"error": code}).encode()
            self.send_response(status)
            for key, value in {"X-Error-Code": code, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def commit(revision: str, folder: Path) -> str:
    """A made-up commit hash for what a revision holds."""
    return hashlib.sha1(f"{revision} {folder}".encode()).hexdigest()
