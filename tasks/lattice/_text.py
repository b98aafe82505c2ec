"""Triangulations in plain text, as polymake and TOPCOM print them.

    # comments run to the end of the line
    first: {{0 1 3} {1 3 4} {1 2 4} {3 4 5}}            a triangulation, here with a name
    {{0,1,3},{1,3,4},{1,2,4},{3,4,5}} (0 1 4 1 3 4)     its weights may follow, one per point
    [[0,3,1],[3,1,4],[1,4,2],[3,5,4]]                   any brackets; commas and semicolons are
    WEIGHTS 0 1 4 1 3 4                                 blanks; a keyword may announce weights

Each nested group of triples is a triangulation. Triples at top level, one per line with or
without brackets (as polymake prints FACETS), together form one triangulation. Rational weights
such as 3/2 are allowed. The degree follows from the largest point index. The words FACETS,
TRIANGLES, TRIANGULATION, MAXIMAL_CELLS may precede triangles.
"""

import re
from collections.abc import Iterator
from typing import Any

from tasks.lattice.points import degree_of
from tasks.records.errors import InputError, shortened

_TOKEN = re.compile(
    r"(?P<blank>#[^\n]*|[ \t\r\f,;]+)|(?P<newline>\n)|(?P<open>[{\[(<])|(?P<close>[}\])>])"
    r"|(?P<word>[\w.-]*[A-Za-z_][\w.-]*[ \t]*[:=]?)"
    r"|(?P<number>[+-]?\d{1,400}(?:/\d{1,400})?(?![\w.]))"
)
_CLOSING = {"{": "}", "[": "]", "(": ")", "<": ">"}
_HEADINGS = ("FACETS", "TRIANGLES", "TRIANGULATION", "MAXIMAL_CELLS")
_MAX_DEPTH = 3
_EXPECTED = "expected triangulations such as {{0 1 3} {1 3 4} {1 2 4} {3 4 5}}"


def parse_text(source: str, text: str) -> list[dict[str, Any]]:
    """Records with degree, triangles, weights, name for the triangulations in a text.

    Raises
    ------
    InputError
        With the line of the first thing that cannot be read.
    """
    reader = _Reader(source)
    for line, item in _items(source, text):
        reader.accept(line, item)
    return [_with_degree(source, record) for record in reader.records]


def _tokens(source: str, text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, kind, text) without blanks and comments; ends with a newline."""
    line, position = 1, 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            found = text[position : position + 20].split("\n")[0]
            raise InputError(f"{source}, line {line}: cannot read {found!r}; {_EXPECTED}")
        position = match.end()
        kind = str(match.lastgroup)
        if kind != "blank":
            yield line, kind, match[0]
        line += kind == "newline"
    yield line, "newline", "\n"


def _items(source: str, text: str) -> Iterator[tuple[int, Any]]:
    """(line number, item): a word, or a nested list of numbers; a line of bare numbers is one."""
    stack: list[tuple[str, list[Any]]] = [("", [])]
    line = 1
    for line, kind, token in _tokens(source, text):
        if kind == "open":
            if len(stack) > _MAX_DEPTH:
                raise InputError(f"{source}, line {line}: brackets nest too deeply; {_EXPECTED}")
            stack.append((_CLOSING[token], []))
        elif kind == "number":
            stack[-1][1].append(int(token) if "/" not in token else token)
        elif kind == "close":
            expected, group = stack.pop()
            if token != expected:
                raise InputError(f"{source}, line {line}: {token!r} closes no open bracket")
            if len(stack) > 1:
                stack[-1][1].append(group)
            else:
                yield line, group
        elif len(stack) > 1 and kind == "word":
            raise InputError(
                f"{source}, line {line}: {shortened(token)} inside brackets; {_EXPECTED}"
            )
        elif len(stack) == 1:  # a newline or a word ends a row of bare numbers
            if stack[0][1]:
                yield line, stack[0][1]
                stack = [("", [])]
            if kind == "word":
                yield line, token
    if len(stack) > 1:
        raise InputError(f"{source}, line {line}: a bracket is not closed by {stack[-1][0]!r}")


class _Reader:
    """Collects items into records; `records` holds what has been read so far."""

    def __init__(self, source: str) -> None:
        self.records: list[dict[str, Any]] = []
        self._source = source
        self._name: str | None = None
        self._weights_announced = False
        self._takes_triples = False  # the last record consists of triples at top level

    def accept(self, line: int, item: Any) -> None:
        """Read one item of `_items`."""
        if isinstance(item, str):
            self._accept_word(line, item)
        elif item and all(isinstance(part, list) for part in item):
            self._accept_nested(line, item)
        elif item and not any(isinstance(part, list) for part in item):
            self._accept_flat(line, item)
        else:
            raise self._error(line, "numbers and brackets are mixed")

    def _accept_word(self, line: int, token: str) -> None:
        word = token.rstrip(" \t:=")
        if word.upper() == "WEIGHTS":
            self._weights_announced = True
        elif word.upper() in _HEADINGS:
            self._takes_triples = False
        elif token.endswith((":", "=")):
            self._name, self._takes_triples = word, False
        else:
            raise self._error(line, f"unexpected word {shortened(word)}")

    def _accept_nested(self, line: int, item: list[Any]) -> None:
        if any(isinstance(part, list) for group in item for part in group):
            for group in item:
                self.accept(line, group)
        else:
            self._start(item)

    def _accept_flat(self, line: int, numbers: list[Any]) -> None:
        last = self.records[-1] if self.records else None
        if self._weights_announced or (last and not self._takes_triples and "weights" not in last):
            if last is None or "weights" in last:
                raise self._error(line, "weights without a triangulation before them")
            last["weights"] = numbers
            self._weights_announced = self._takes_triples = False
        elif len(numbers) != 3:
            raise self._error(line, f"{len(numbers)} numbers are no triangle")
        elif self._takes_triples:
            self.records[-1]["triangles"].append(numbers)
        else:
            self._start([numbers])
            self._takes_triples = True

    def _start(self, triangles: list[Any]) -> None:
        named = {"name": self._name} if self._name else {}
        self.records.append({"triangles": triangles, **named})
        self._name, self._weights_announced, self._takes_triples = None, False, False

    def _error(self, line: int, reason: str) -> InputError:
        return InputError(f"{self._source}, line {line}: {reason}; {_EXPECTED}")


def _with_degree(source: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record with the degree that its largest point index determines."""
    indices = [v for triangle in record["triangles"] for v in triangle if isinstance(v, int)]
    try:
        return {"degree": degree_of(1 + max(indices, default=-1)), **record}
    except InputError as error:
        largest = shortened(max(indices, default=-1))
        raise InputError(f"{source}: the largest point is {largest}, but {error}") from error
