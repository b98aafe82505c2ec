"""Where bytes live: one folder of a local disk or of an object store, opened by pyarrow.fs.

A local write goes to a temporary name, is flushed and synced, and is then renamed over its target,
so a file is seen whole or not at all. Object stores have no rename; there a write appears when its
stream closes, and the order of writes (data, then sidecar, then manifest) does the same service.
The rename itself is not synced to the folder: a rename lost with the power leaves a part that its
sidecar does not match, and such a part is done again.
"""

import errno
import itertools
import os
import secrets
import socket
import time
import urllib.parse
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tasks.records.errors import StoreError, abridged
from tasks.records.roots import parse_root

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

_TEMPORARY_SUFFIX = ".tmp"
_ABANDONED_SECONDS = 24 * 3600.0
_HOST = urllib.parse.quote(socket.gethostname(), safe="")[:64]
_PROCESS_TOKEN = secrets.token_hex(4)
_NUMBERS = itertools.count()

_ELSEWHERE = "choose another store by --out or LATTICEWORK_STORE"
_REMEDIES = {
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.EFBIG: "raise the limit on file sizes",
    errno.EROFS: f"make it writable or {_ELSEWHERE}",
    errno.EACCES: f"make it writable or {_ELSEWHERE}",
    errno.EPERM: f"make it writable or {_ELSEWHERE}",
    errno.ENAMETOOLONG: f"give a shorter path or {_ELSEWHERE}",
}
_KEPT = "; finished parts are kept, {} and run the same command again"
_NOTHING_YET = "; {}"


@dataclass(frozen=True)
class Volume:
    """A folder with whole-file reads and writes; paths are relative, with ``/``.

    Attributes
    ----------
    root
        Absolute local path, or URI, for messages and local access.
    filesystem
        A `pyarrow.fs.SubTreeFileSystem` at the root.
    local
        Whether files can be mapped, synced and renamed.
    """

    root: str
    filesystem: "FileSystem"
    local: bool

    @classmethod
    def open(cls, root: str | Path) -> "Volume":
        """Volume at a local path or URI; touches nothing.

        Raises
        ------
        InputError
            If the root is blank, not text, or names no home folder.
        StoreError
            If the URI is not understood.
        """
        from pyarrow import fs  # the slowest part of the import, not needed by configs and seeds

        place, is_uri = parse_root(root)
        if not is_uri:
            return cls(place, fs.SubTreeFileSystem(place, fs.LocalFileSystem()), local=True)
        try:
            filesystem, path = fs.FileSystem.from_uri(place)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            reason = abridged(_reason(error))
            raise StoreError(
                f"store {abridged(place)}: cannot be opened: {reason}; {_ELSEWHERE}"
            ) from error
        local = isinstance(filesystem, fs.LocalFileSystem)
        return cls(path if local else place, fs.SubTreeFileSystem(path, filesystem), local)

    def below(self, folder: str) -> "Volume":
        """Volume at a sub-folder."""
        from pyarrow import fs

        filesystem = fs.SubTreeFileSystem(folder, self.filesystem)
        return Volume(self.location(folder), filesystem, self.local)

    def location(self, path: str) -> str:
        """Full path or URI of `path`, for people."""
        return f"{self.root.rstrip('/')}/{path}"

    def write(self, path: str, data: bytes | pa.Buffer, *, opening: bool = False) -> None:
        """Write a whole file, replacing an earlier one in one step.

        `opening` is for what is written before there can be any part: the error of a failed
        write then promises none.

        Raises
        ------
        StoreError
            If that fails; then nothing is left of the attempt and an earlier file is as it was.
        """
        consequence = _NOTHING_YET if opening else _KEPT
        with self._guard(f"writing {PurePosixPath(path).name}", consequence):
            self._put(path, data)

    def create(self, path: str, data: bytes | pa.Buffer) -> bool:
        """Write a new file unless it exists; returns whether it was written.

        Only local disks guarantee that of two simultaneous writers just one succeeds.
        """
        with self._guard(f"writing {PurePosixPath(path).name}", _KEPT):
            if self.local:
                return _write_new(Path(self.location(path)), data)
            if self.exists(path):
                return False
            self._write_stream(path, data)
            return True

    def _put(self, path: str, data: bytes | pa.Buffer) -> None:
        if self.local:
            _write_then_rename(Path(self.location(path)), data)
        else:
            self._write_stream(path, data)

    def _write_stream(self, path: str, data: bytes | pa.Buffer) -> None:
        self.filesystem.create_dir(str(PurePosixPath(path).parent), recursive=True)
        with self.filesystem.open_output_stream(path) as file:
            file.write(data)

    def read(self, path: str) -> pa.Buffer:
        """Content of a file, memory-mapped on a local disk.

        Raises
        ------
        StoreError
            If the file is missing or unreadable.
        """
        with self._guard(f"reading {abridged(path)}"):
            if self.local:
                with pa.memory_map(self.location(path)) as file:
                    return file.read_buffer()
            with self.filesystem.open_input_file(path) as file:
                return file.read_buffer()

    def exists(self, path: str) -> bool:
        """Whether `path` is a file."""
        with self._guard(f"looking for {abridged(path)}"):
            return bool(self.filesystem.get_file_info(path).is_file)

    def remove(self, path: str) -> None:
        """Remove a file.

        Raises
        ------
        StoreError
            If there is none or it cannot be removed.
        """
        with self._guard(f"removing {abridged(path)}"):
            self.filesystem.delete_file(path)

    def stamp(self, path: str) -> tuple[int, ...] | None:
        """Size and times (ns, the last change first) of a file: equal ones mean the same content.

        None if there is no such file or its time is unknown. Times are as coarse as the file
        system's clock, so a stamp says nothing about a file that was changed just now.
        """
        with self._guard(f"looking for {abridged(path)}"):
            if self.local:
                return _local_stamp(Path(self.location(path)))
            info = self.filesystem.get_file_info(path)
            known = info.is_file and info.mtime_ns is not None
            return (info.mtime_ns, info.size) if known else None

    def entries(self, path: str = "", *, recursive: bool = False) -> "list[FileInfo]":
        """What lies in a folder, sorted by path; nothing if there is no such folder."""
        from pyarrow import fs

        self._check_root()
        selector = fs.FileSelector(path, allow_not_found=True, recursive=recursive)
        with self._guard(f"listing {abridged(path) or 'its runs'}"):
            return sorted(self.filesystem.get_file_info(selector), key=lambda info: info.path)

    def probe(self, folder: str) -> None:
        """Prove that `folder` can be written, by writing and removing a small file.

        Raises
        ------
        StoreError
            If it cannot.
        """
        self._check_root()
        path = f"{folder}/{_temporary_name()}"
        with self._guard("testing whether it can be written", _NOTHING_YET):
            self._put(path, b"probe")
            self.filesystem.delete_file(path)

    def _check_root(self) -> None:
        with self._guard("looking for its folder", _NOTHING_YET):
            is_other = self.local and Path(self.root).exists() and not Path(self.root).is_dir()
        if is_other:
            raise StoreError(f"store {abridged(self.root)}: is a file, not a folder; {_ELSEWHERE}")

    def clean(self, folder: str) -> None:
        """Remove temporary files below `folder` whose writers are gone."""
        for info in self.entries(folder, recursive=True):
            if info.is_file and info.path.endswith(_TEMPORARY_SUFFIX) and _is_abandoned(info):
                with self._guard(f"removing {info.path}"):
                    Path(self.location(info.path)).unlink(missing_ok=True)

    @contextmanager
    def _guard(self, doing: str, consequence: str = "") -> Generator[None]:
        try:
            yield
        except (OSError, pa.ArrowException, UnicodeError) as error:
            number = error.errno if isinstance(error, OSError) else None
            otherwise = "mend this" if consequence == _KEPT else f"mend this or {_ELSEWHERE}"
            remedy = _REMEDIES.get(number or 0, otherwise)
            raise StoreError(
                f"store {abridged(self.root)}: {_reason(error)} while {doing}"
                f"{consequence.format(remedy)}"
            ) from error


def _reason(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    # pyarrow sets the number, but its text repeats the whole path.
    text = os.strerror(number) if number else str(error) or type(error).__name__
    return text.splitlines()[0].removesuffix(".")


def _local_stamp(path: Path) -> tuple[int, ...] | None:
    try:
        info = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return max(info.st_mtime_ns, info.st_ctime_ns), info.st_mtime_ns, info.st_size, info.st_ino


def replace_file(path: str | Path, data: bytes, what: str) -> None:
    """Write a local file, such as a ``certificate``, whole: an earlier one is replaced at once.

    Raises
    ------
    StoreError
        If that fails; an earlier file is as it was.
    """
    try:
        _write_then_rename(Path(path), data)
    except OSError as error:
        raise StoreError(f"cannot write {what} {path}: {error.strerror or error}") from error


def _write_then_rename(target: Path, data: bytes | pa.Buffer) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(_temporary_name())
    if _write_new(temporary, data):
        try:
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _write_new(target: Path, data: bytes | pa.Buffer) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = target.open("xb")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return True


def _temporary_name() -> str:
    # Host and process tell a later run whether the writer can still be at work; the token tells
    # this process from an earlier one of the same number, as containers reuse numbers at once.
    return f".{_HOST}+{os.getpid()}+{_PROCESS_TOKEN}+{next(_NUMBERS)}{_TEMPORARY_SUFFIX}"


def _is_abandoned(info: Any) -> bool:
    host, number, token, *_ = (*info.base_name.removeprefix(".").split("+"), "", "")
    if host == _HOST and number == str(os.getpid()):
        return token != _PROCESS_TOKEN
    if host == _HOST and number.isdecimal():
        return not _is_alive(int(number))
    return info.mtime is not None and time.time() - info.mtime.timestamp() > _ABANDONED_SECONDS


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
