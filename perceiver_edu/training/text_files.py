"""Text files as people have them: plain files only, unpacked to the last byte, decoded as UTF-8."""

import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from perceiver_edu.errors import InputError
from perceiver_edu.writing import check_plain

PACKED = (".xz", ".gz")
PIECE = 2**16  # bytes
LONGEST = 2**30  # bytes of a document; a small packed file may unpack to any number


def read_lines(path: Path, longest: int | None = None) -> Iterator[str]:
    """The lines of a UTF-8 file, which may be packed, each with its end; without a byte-order mark.

    Raises: InputError, naming the line, for one that is longer than `longest` (or LONGEST) bytes, is not
        UTF-8, or holds a NUL, as text in UTF-16 does. OSError, EOFError, lzma.LZMAError or zlib.error for
        damage.
    """
    longest = longest or LONGEST
    with open_plain(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(longest + 1), b""), 1):
            where = f"{path}, line {number}"
            if len(line) > longest:
                raise InputError(f"{where}: longer than {longest:,} bytes")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                bad = f"byte {error.start + 1} of the line is 0x{line[error.start]:02x}"
                raise InputError(f"{where}: not UTF-8: {bad}") from None
            if "\0" in text:
                raise InputError(f"{where}: a NUL byte, which is not text: save the file as UTF-8")
            yield text


def open_plain(path: Path) -> BinaryIO:
    """A plain file, opened; `.xz` and `.gz` are unpacked. Raises: InputError for a folder, pipe or device."""
    check_plain(path)
    packed = path.suffix.lower()
    if packed == ".gz":
        if not path.stat().st_size:
            raise EOFError("the file is empty")  # gzip.open takes it for the packed form of no text
        return cast(BinaryIO, gzip.open(path, "rb"))
    file = open(path, "rb")  # noqa: SIM115  the caller closes it
    return io.BufferedReader(Unpacked(file), PIECE) if packed == ".xz" else file


class Unpacked(io.RawIOBase):
    """An `.xz` file, unpacked. `lzma.open` ignores what follows a stream unless it is another whole one."""

    def __init__(self, file: BinaryIO):
        self.file, self.pieces, self.left = file, unpack(file), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        self.left = self.left or next(self.pieces, b"")
        size = min(len(buffer), len(self.left))
        buffer[:size], self.left = self.left[:size], self.left[size:]
        return size

    def close(self) -> None:
        self.file.close()
        super().close()


def unpack(file: BinaryIO) -> Iterator[bytes]:
    """Every stream of an `.xz` file; between them and at the end there may be zeros, four at a time.

    Raises: EOFError, lzma.LZMAError for a stream that is cut off or damaged, or for bytes that are no stream.
    """
    packed = file.read(PIECE)
    while True:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        while not stream.eof:
            if piece := stream.decompress(packed, PIECE):
                yield piece
            packed = b""
            if stream.needs_input and not stream.eof:
                packed = file.read(PIECE)
                if not packed:
                    raise EOFError("the file ends within its compressed data")
        packed = stream.unused_data
        padding = 0
        while packed.strip(b"\0") == b"":  # nothing but padding so far
            padding += len(packed)
            packed = file.read(PIECE)
            if not packed:
                if padding % 4:
                    raise lzma.LZMAError("stray bytes after the compressed data")
                return
        padding += len(packed) - len(packed.lstrip(b"\0"))
        if padding % 4:
            raise lzma.LZMAError("stray bytes after the compressed data")
        packed = packed.lstrip(b"\0")
