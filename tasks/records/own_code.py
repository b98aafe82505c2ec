"""Functions and classes of one's own that a config names: networks, data.

    package.module:name        found as Python imports it, or in the current folder
    path/to/file.py:name       a file; it may import its neighbors

Validating a config imports nothing. `find_code` gathers the *sources* of an object where a run is
planned: the file that defines it and everything in the same place that it imports, also inside
functions. Their hash names the run, and they travel with every call to the workers, which import
the object from them. Of an installed package the release counts instead, and workers need it too.
"""

from __future__ import annotations

import ast
import getpass
import hashlib
import importlib
import importlib.metadata
import os
import re
import secrets
import site
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from tasks.records.errors import InputError
from tasks.records.version import imports_of

__all__ = [
    "OwnCode",
    "check_content",
    "code_folder",
    "code_stamp",
    "find_code",
    "is_reference",
    "look_in",
    "resolve",
]

_REFERENCE = re.compile(r"(?:[^\W\d]\w*(?:\.[^\W\d]\w*)*|.*\.py):\w[\w.\-/]*")
_MAX_BYTES = 20 * 2**20
_OURS = ("tasks", "flows", "workers", "gpu")


@dataclass(frozen=True)
class OwnCode:
    """An object that a config names, with its sources.

    Attributes
    ----------
    reference : str
        As the config has it.
    module, name : str
        Module and object within it.
    files : mapping of bytes
        Path below its folder -> source; none of an installed package.
    release : str
        ``distribution version`` of an installed package.
    content : str
        Hash of what a function returned when the run was planned, if that counts.
    """

    reference: str
    module: str
    name: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    release: str = ""
    content: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the sources, or of the release."""
        total = hashlib.sha256(f"{self.module}:{self.name}|{self.release}\n".encode())
        for path, source in sorted(self.files.items()):
            total.update(f"{path}|{len(source)}\n".encode())
            total.update(source)
        return total.hexdigest()

    def install(self) -> None:
        """Make the object importable in this process, from these sources."""
        if _installed.get(self.reference, (None, ""))[0] == self:
            return
        folder = _unpacked(self) if self.files else ""
        _installed[self.reference] = (self, folder)

    def load(self) -> Any:
        """Import the object.

        Raises
        ------
        InputError
            If its module cannot be imported, or has nothing of that name.
        """
        _, folder = _installed.get(self.reference, (self, ""))
        module = _imported(self, folder)
        found: Any = module
        for part in self.name.split("."):
            if not hasattr(found, part):
                raise InputError(f"{self.reference}: {self.module} has no {self.name}")
            found = getattr(found, part)
        return found


_installed: dict[str, tuple[OwnCode, str]] = {}
"""Reference -> its code in this process, and the folder it is imported from ("" for none)."""
_origins: dict[str, str] = {}
"""Reference -> the folder in which its code was found."""
_known_folders: list[str] = []
"""Folders in which modules are looked for before the current one."""
_added: set[str] = set()
"""Folders at the end of the path for the sake of such code."""
_imported_from: dict[str, tuple[str, str]] = {}
"""Name of an imported module of one's own -> the digest of its code, and its folder."""


def is_reference(text: str) -> bool:
    """Whether a text names an object: ``package.module:name`` or ``FILE.py:name``."""
    return _REFERENCE.fullmatch(text) is not None


def resolve(reference: str) -> Any:
    """The object that a reference names.

    Raises
    ------
    InputError
        If it cannot be imported.
    """
    if reference not in _installed:
        find_code(reference)
    return _installed[reference][0].load()


def find_code(reference: str) -> OwnCode:
    """The sources of an object, read again; from now on this process imports it from these.

    Raises
    ------
    InputError
        If the module or file cannot be found, or its sources exceed 20 MiB.
    """
    place, _, name = reference.rpartition(":")
    if place.endswith(".py"):
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise InputError(f"{reference}: cannot find the file {place}")
        if not path.stem.isidentifier() or path.stem in _OURS:
            raise InputError(
                f"{reference}: {path.name} cannot be imported by that name, or it is taken by "
                "latticework: rename the file"
            )
        code = OwnCode(reference, path.stem, name, _closure(path.parent, path.stem))
        folder = path.parent
    else:
        folder = _folder_of(reference, place)
        files = {} if folder is None else _closure(folder, place)
        release = _release(place) if folder is None else ""
        code = OwnCode(reference, place, name, files, release)
    code.install()
    _origins[reference] = "" if folder is None else str(folder)
    return code


def code_folder(reference: str) -> str:
    """Where the code of an object was found; empty for an installed package."""
    return _origins.get(reference, "")


def look_in(folder: str) -> None:
    """Look for modules in a folder, too, before the current one."""
    if folder not in _known_folders:
        _known_folders.append(folder)


def code_stamp(reference: str) -> str:
    """Digest of the code of an object in this process."""
    if reference not in _installed:
        find_code(reference)
    return _installed[reference][0].digest


def check_content(reference: str, content: str) -> None:
    """Refuse what a function returned if it is not what it returned when the run was planned.

    Raises
    ------
    InputError
    """
    code, _ = _installed.get(reference, (None, ""))
    if code is not None and code.content and code.content != content:
        raise InputError(
            f"{reference} does not return the same every time: seed its random numbers, or store "
            "what it returns as an .npz file"
        )


# --- sources ------------------------------------------------------------------------------------


def _folder_of(reference: str, module: str) -> Path | None:
    """Where the top-level package of a module lies; None if it is installed.

    Raises
    ------
    InputError
    """
    top = module.partition(".")[0]
    if top in _OURS and not (Path(__file__).parents[2] / Path(*module.split("."))).exists():
        own = Path(__file__).parents[2] / Path(*module.split(".")).with_suffix(".py")
        if not own.exists():
            raise InputError(
                f"{reference}: latticework has no module {module}, and takes the name {top}: "
                "rename your package"
            )
    spec = _spec(top)
    if spec is None:
        places = [*map(Path, _known_folders), Path.cwd()]
        for place in places:
            if (place / f"{top}.py").is_file() or (place / top).is_dir():
                return place
        looked = ", ".join(map(str, places))
        raise InputError(
            f"{reference}: cannot find module {top}; it is looked for where Python imports from, "
            f"and in {looked}"
        )
    places = [spec.origin] if spec.has_location and spec.origin else []
    places += spec.submodule_search_locations or []
    if not places or _is_installed(Path(places[0])) or top in _OURS:
        return None
    path = Path(places[0])
    return path.parent.parent if path.name == "__init__.py" else path.parent


def _spec(top: str) -> ModuleSpec | None:
    """Where Python would find a package, whatever was imported of that name before."""
    before = list(sys.path)
    sys.path[:] = [place for place in before if place not in _added]
    try:
        specs = (finder.find_spec(top, None) for finder in sys.meta_path)
        return next((spec for spec in specs if spec is not None), None)
    finally:
        sys.path[:] = before


def _is_installed(path: Path) -> bool:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    known = [sysconfig.get_path(name) for name in names]
    known += [*site.getsitepackages(), site.getusersitepackages()]
    return any(path.is_relative_to(each) for each in known)


def _release(module: str) -> str:
    top = module.partition(".")[0]
    names = importlib.metadata.packages_distributions().get(top, [])
    found = [f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names))]
    return ", ".join(found) or f"Python {sys.version_info.major}.{sys.version_info.minor}"


def _closure(root: Path, module: str) -> dict[str, bytes]:
    """Path below `root` -> source, of a module and of all modules there that it imports."""
    waiting, found, size = [module], dict[str, bytes](), 0
    while waiting:
        name = waiting.pop()
        for path in _files(root, name):
            key = path.relative_to(root).as_posix()
            if key in found:
                continue
            found[key] = path.read_bytes()
            size += len(found[key])
            if size > _MAX_BYTES:
                raise InputError(
                    f"the sources of {module} exceed {_MAX_BYTES >> 20} MiB: install it as a "
                    "package on all workers instead"
                )
            waiting += _named(found[key], path, key)
    if not found:
        raise InputError(f"cannot find module {module} in {root}")
    return found


def _named(source: bytes, path: Path, key: str) -> Iterator[str]:
    """Dotted names that a source imports; also what may be modules of an imported package."""
    parts = key.removesuffix(".py").split("/")
    package = ".".join(parts[:-1])
    try:
        pairs, uses = imports_of(ast.parse(source), package)
    except SyntaxError as error:
        raise InputError(f"{path}: line {error.lineno}: {error.msg}") from error
    for module, name in (*pairs, *uses):
        yield module
        if name:
            yield f"{module}.{name}"


def _files(root: Path, module: str) -> list[Path]:
    """The file of a module and those of the packages it lies in, as far as they are in `root`."""
    parts = module.split(".")
    if not all(parts) or parts[0] in _OURS:
        return []
    packages = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    own = root.joinpath(*parts[:-1], f"{parts[-1]}.py")
    return [path for path in (*packages, own) if path.is_file()]


# --- importing ----------------------------------------------------------------------------------


def _unpacked(code: OwnCode) -> str:
    """A folder with the sources, made once for a user and a digest."""
    user = hashlib.sha256(getpass.getuser().encode()).hexdigest()[:8]
    parent = Path(tempfile.gettempdir()) / f"latticework-code-{user}"
    folder = parent / code.digest[:32]
    if folder.is_dir():
        return str(folder)
    parent.mkdir(mode=0o700, exist_ok=True)
    if parent.stat().st_uid != os.getuid():
        raise InputError(f"{parent} belongs to somebody else: remove it, or set TMPDIR")
    made = parent / f"{folder.name}.{secrets.token_hex(4)}"
    for path, source in code.files.items():
        place = made / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source)
    try:
        made.rename(folder)
    except OSError:  # another process was first
        if not folder.is_dir():
            raise
    return str(folder)


def _imported(code: OwnCode, folder: str) -> ModuleType:
    """The module of an object; again if it was imported from other sources before."""
    if code.files and _imported_from.get(code.module, ("", ""))[0] != code.digest:
        _forget(code)
        _imported_from[code.module] = code.digest, folder
    before = list(sys.path)
    if folder:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(code.module)
    except (Exception, SystemExit) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "relative import" in reason:
            reason += ": name it as package.module:name instead of by its file"
        raise InputError(
            f"{code.reference}: importing {code.module} failed: {type(error).__name__}: {reason}"
        ) from error
    finally:
        sys.path[:] = before
        if folder and folder not in before:  # for what is imported inside of functions
            sys.path.append(folder)
            _added.add(folder)
    file = getattr(module, "__file__", None)
    if code.files and not (file and not _is_installed(Path(file))):
        taken = file or "a module of Python"
        raise InputError(
            f"{code.reference}: {code.module} is the name of {taken} already: rename the file"
        )
    return module


def _forget(code: OwnCode) -> None:
    """Drop what was imported of these files from other sources."""
    importlib.invalidate_caches()
    _, folder = _imported_from.get(code.module, ("", ""))
    if folder in _added:
        _added.discard(folder)
        sys.path[:] = [place for place in sys.path if place != folder]
    for path in code.files:
        name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file and not _is_installed(Path(file)):
            del sys.modules[name]
