"""How this package writes files: whole or not at all, and only where a plain file is or can be.

A file is written beside its place and moved there when it is whole, so no reader and no crash ever sees a
part of it. It keeps the mode of the file that it replaces; a new one gets the mode that the umask asks for.
"""

import glob
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from perceiver_edu.errors import InputError

UNFINISHED = ".unfinished"  # how the names of files and folders begin that are not whole yet
LOCK = "lock"  # in an unfinished folder: the file that is locked


def check_plain(path: Path) -> os.stat_result | None:
    """What the system says about a plain file, or None where nothing is there.

    Raises: InputError for a folder, for a pipe or a device, which may never end, and for what is no path.
    """
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    except ValueError:
        raise not_a_name(path) from None
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is not a plain file")
    return about


def check_output(path: str | os.PathLike) -> os.stat_result | None:
    """As `check_plain`, for a file that is to be written. Raises: InputError for a read-only one, too."""
    about = check_plain(Path(path))
    if about and not os.access(path, os.W_OK):
        raise InputError(f"{path} is read-only, so it was not replaced")
    return about


def check_folder_of(path: str | os.PathLike) -> None:
    """Raises: InputError where the folder that is to hold this file is missing."""
    if not Path(path).parent.is_dir():
        raise InputError(f"there is no folder {Path(path).parent}: create it, or name another")


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Write `content` to `path` as `whole_file` does."""
    with whole_file(path) as file:
        file.write(content)


def not_a_name(path: Path) -> InputError:
    return InputError(f"{path} is not a name that a file can have: it contains a NUL character")


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A new file to write to. When the block ends without an error, it is moved to `path`, links followed.

    Raises: InputError as `check_output`; OSError where it cannot be written. `path` is then as it was.
    """
    before = check_output(path)
    place = Path(os.path.realpath(path))
    remove_abandoned(place)
    beside = place.with_name(f"{UNFINISHED}-{secrets.token_hex(4)}-{place.name[-50:]}")
    try:
        with naming(path), open(beside, "x+b") as file:
            lock(file)
            if before and before.st_mode != beside.stat().st_mode:  # never on Drive, where all have one mode
                os.chmod(beside, stat.S_IMODE(before.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Let an OSError of writing, such as that of a full disk, say which file could not be written."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise


def write_together(folder: Path, contents: Mapping[str, Iterable[bytes | memoryview]]) -> None:
    """Write several files of a folder, each given in pieces, as `whole_file` does: all are on the disk before
    the first is moved, and the last one named is moved first.

    So a disk that fills up costs none of the files that were there before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        for name, pieces in contents.items():
            file = files.enter_context(whole_file(folder / name))
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill. When the block ends without an error, it is moved to `path`, which must be free.

    Raises: OSError where it cannot be written.
    """
    remove_abandoned(path)
    beside = path.with_name(f"{UNFINISHED}-{secrets.token_hex(4)}-{path.name[-50:]}")
    beside.mkdir()
    try:
        with open(beside / LOCK, "xb") as file:
            lock(file)
            yield beside
        (beside / LOCK).unlink()
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def remove_abandoned(place: Path) -> None:
    """Remove what killed processes left of earlier tries to write this file or folder, unless a process has
    locked it."""
    pattern = f"{UNFINISHED}-????????-{glob.escape(place.name[-50:])}"
    for path in place.parent.glob(pattern):
        with suppress(OSError):
            young = time.time() - path.stat().st_mtime < 60  # perhaps not locked yet
            with open(path / LOCK if path.is_dir() else path, "rb") as file:
                abandoned = not young and lock(file)
            if abandoned:  # closed before, because Windows removes no open file
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def lock(file: IO) -> bool:
    """Keep other processes from locking this file until it is closed. -> False where there are no locks.

    Raises: BlockingIOError for a file that another process has locked.
    """
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # the second on Windows
        raise BlockingIOError(error.errno, "another process has locked it") from None
    except OSError:
        return False  # a file system without locks
    return True
