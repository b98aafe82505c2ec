"""Code versions: what the code was when a record was made, as far as the record depends on it.

The *closure* of a module is the module with all modules of the project that it imports, directly or
through others, also inside functions. ``from package import name`` leads to the module that defines
the name, not to everything that the package exports; so does ``name`` of a package that a module
imports as a whole and uses as ``package.name``. A digest is taken over the syntax trees of
the closure, without docstrings and comments, and over the data files (tables, kernels, trained
models) of the folders its packages lie in; of a module without a package, those beside it. So a
result's code version changes with the code it rests
on, and with nothing else.

Modules that are reached by importing their parent package only, for its side effects, are not part
of the closure.
"""

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any

from tasks.records.errors import InputError
from tasks.records.lazy import exports_of, is_type_checking

__all__ = ["RELEASE", "closure", "code_digest", "code_version"]

_FALLBACK_RELEASE = "0.1.0"
_LIBRARY = ("tasks", "gpu")
_DATA = (".json", ".toml", ".cu", ".safetensors", ".gz")
_DIGITS = 10
_FORM = {"tree": str, "imports": list, "uses": list, "exports": dict}

_Facts = dict[str, Any]
"""``tree``: digest of a syntax tree; ``imports``: pairs of module and name (empty: the module);
``uses``: such pairs for attributes of what is imported; ``exports``: name -> module, see
`tasks.records.lazy`."""


def _release() -> str:
    try:
        return importlib.metadata.version("latticework")
    except importlib.metadata.PackageNotFoundError:
        # A source tree on the path (a Ray working directory) carries no distribution metadata.
        return _FALLBACK_RELEASE


RELEASE = _release()


def code_version(*modules: str) -> str:
    """``release+digest`` of the closures of some modules.

    Examples
    --------
    >>> code_version("tasks.records.seeds").startswith(RELEASE + "+")
    True
    """
    return f"{RELEASE}+{code_digest(*modules)}"


def code_digest(*modules: str) -> str:
    """First 10 hex digits of the SHA-256 over the closures of some modules.

    Parameters
    ----------
    modules
        Dotted names of modules or packages, in any order; ``package.module:name`` means its module.

    Raises
    ------
    InputError
        If there is no such module.
    """
    return _digest_of(frozenset(name.partition(":")[0] for name in modules))


@cache
def _digest_of(modules: frozenset[str]) -> str:
    reached = closure(*modules)
    digest = hashlib.sha256()
    folders: dict[Path, str] = {}
    for name, path in reached.items():
        digest.update(f"{name}:{_facts(path, name)['tree']}\n".encode())
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        folders.setdefault(path.parent, package)
    for label, path in sorted(entry for item in folders.items() for entry in _data(*item)):
        digest.update(f"{label}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    _Cache.save()
    return digest.hexdigest()[:_DIGITS]


def closure(*modules: str) -> dict[str, Path]:
    """Dotted name -> file of every project module that some modules rest on, sorted by name.

    The project's are the packages tasks and gpu, and the top-level packages of the modules given.
    """
    roots = {*_LIBRARY, *(name.partition(".")[0] for name in modules)}
    waiting, reached = list(modules), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        path = _source(name)
        if path is None:
            raise InputError(f"{name!r} is not an importable module; name one like tasks.records")
        reached[name] = path
        facts = _facts(path, name)
        for module, imported in (*facts["imports"], *facts["uses"]):
            waiting += _defining(module, imported, roots)
    return dict(sorted(reached.items()))


def _defining(module: str, name: str, roots: Set[str]) -> list[str]:
    """The modules below `roots` that ``from module import name`` rests on."""
    if module.partition(".")[0] not in roots:
        return []
    if name and _source(f"{module}.{name}") is not None:
        return [f"{module}.{name}"]
    path = _source(module)
    if path is None:
        return []
    if not name or path.name != "__init__.py":
        return [module]
    facts = _facts(path, module)
    pairs = [*facts["imports"], *((origin, key) for key, origin in facts["exports"].items())]
    sources = [pair for pair in pairs if name in (pair[1], "*") and pair[0] != module]
    found = [each for origin, key in sources for each in _defining(origin, key, roots)]
    return [*found, module] if name == "*" else found or [module]


def _data(folder: Path, package: str) -> Iterator[tuple[str, Path]]:
    """Data files of a package's folder, those of its sub-packages excepted.

    Folders beside a module without a package may be anything, such as stored runs.
    """
    for path in folder.iterdir():
        if path.is_dir():
            if package and not (path / "__init__.py").exists():
                yield from _data(path, f"{package}/{path.name}")
        elif path.suffix in _DATA:
            yield f"{package}/{path.name}", path


@cache
def _source(module: str) -> Path | None:
    """File of a module, found without importing its parents; None if it is not Python source."""
    root, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    candidates = [Path(spec.origin or "")]
    if parts:  # a package without __init__.py has no origin, and perhaps several folders
        paths = [Path(each, *parts) for each in spec.submodule_search_locations or ()]
        candidates = [f for p in paths for f in (p / "__init__.py", p.with_name(f"{p.name}.py"))]
    return next((each for each in candidates if each.suffix == ".py" and each.is_file()), None)


@cache
def _facts(path: Path, module: str) -> _Facts:
    now, known = path.stat(), _Cache.entries()
    stamp = [module, now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino]
    entry: Any = known.get(str(path))
    if not _is_entry(entry) or entry["stamp"] != stamp:
        tree = ast.parse(path.read_bytes())
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        exports, tree = exports_of(tree), _unchecked(tree)
        imports, uses = imports_of(tree, package)
        digest = hashlib.sha256(_text(_undocumented(tree)).encode()).hexdigest()
        facts = {"tree": digest, "imports": imports, "uses": uses, "exports": exports}
        known[str(path)] = entry = {"stamp": stamp, "facts": facts}
        _Cache.changed = True
    return entry["facts"]


def _is_entry(entry: Any) -> bool:
    """Whether something that was read has the form of an entry."""
    try:
        facts = entry["facts"]
        pairs = (*facts["imports"], *facts["uses"], *facts["exports"].items())
        return (
            {name: type(value) for name, value in facts.items()} == _FORM
            and "stamp" in entry
            and all(isinstance(text, str) for first, second in pairs for text in (first, second))
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def imports_of(tree: ast.AST, package: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What is imported, and what is used as an attribute of it."""
    found: set[tuple[str, str]] = set()
    bound: dict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.add((alias.name, ""))
                first = alias.name.partition(".")[0]
                bound[alias.asname or first].add(alias.name if alias.asname else first)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(part for part in (above, node.module or "") if part)
            for alias in node.names:
                found.add((module, alias.name))
                bound[alias.asname or alias.name].add(f"{module}.{alias.name}")
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    uses = {(base, node.attr) for node in attributes for base in _meant(node.value, bound)}
    return sorted(found), sorted(uses)


def _meant(node: ast.AST, bound: Mapping[str, Set[str]]) -> list[str]:
    """Dotted names that an expression may mean, by what names are bound to."""
    if isinstance(node, ast.Name):
        return list(bound.get(node.id, ()))
    if isinstance(node, ast.Attribute):
        return [f"{base}.{node.attr}" for base in _meant(node.value, bound)]
    return []


def _unchecked(tree: ast.Module) -> ast.Module:
    """The tree without what is for type checkers only, on which no result rests."""
    entries = (getattr(n, "orelse", []) if is_type_checking(n) else [n] for n in tree.body)
    return ast.Module([entry for each in entries for entry in each], [])


def _undocumented(tree: ast.Module) -> ast.Module:
    """The tree without docstrings, those of attributes included: strings that are statements."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # pyrefly: ignore[missing-attribute] - it was read just now
                entry
                for entry in body
                if not (
                    isinstance(entry, ast.Expr)
                    and isinstance(entry.value, ast.Constant)
                    and isinstance(entry.value.value, str)
                )
            ]
    return tree


def _text(node: Any) -> str:
    """A tree as text without places; what is empty is left out, as it differs between Pythons."""
    if isinstance(node, ast.AST):
        fields = ((name, _text(value)) for name, value in ast.iter_fields(node))
        inner = ",".join(f"{name}={text}" for name, text in fields if text)
        return f"{type(node).__name__}({inner})"
    if isinstance(node, list):
        return f"[{','.join(map(_text, node))}]" if node else ""
    return "" if node is None else repr(node)


class _Cache:
    """Path of a file -> its facts and the state they are of, kept for this user's next process.

    Parsing the closure of a large study takes a second; where nothing can be kept, it is parsed.
    """

    changed = False
    _entries: dict[str, Any] | None = None

    @classmethod
    def entries(cls) -> dict[str, Any]:
        """What is known, read once."""
        if cls._entries is None:
            try:
                cls._entries = dict(json.loads(cls._path().read_bytes()))
            except (OSError, ValueError, TypeError, RecursionError):
                cls._entries = {}
        return cls._entries

    @classmethod
    def save(cls) -> None:
        """Keep what was learned, as far as the files are still there."""
        if not cls.changed:
            return
        try:
            entries = {k: v for k, v in cls.entries().items() if Path(k).exists()}
            cls._path().parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=cls._path().parent, delete=False) as file:
                json.dump(entries, file)
            Path(file.name).replace(cls._path())
        except OSError:  # the next process parses again
            return
        cls.changed = False

    @staticmethod
    def _path() -> Path:
        root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(root).expanduser() / "latticework" / "code-2.json"
