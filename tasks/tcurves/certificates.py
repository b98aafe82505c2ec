"""Certificates: files that prove which real scheme a curve of some degree has.

A certificate says: *there is a nonsingular real algebraic plane curve of degree d with this real
scheme*, because it is the T-curve of a regular unimodular triangulation with given signs (Viro).
The file is one JSON object,

    {"format": "latticework T-curve certificate", "version": 1, "kind": "regular T-curve",
     "degree": d, "triangles": [[a, b, c], ...], "weights": [w_0, ...], "signs": "0110...",
     "scheme": "<9v1<1>>", "provenance": {"key": "text", ...}, "sha256": "..."}

with points numbered as in `lattice_points`, the d^2 triangles, one integer weight per point, the
sign of point i as character i, and the scheme in Viro notation.  sha256 is the digest of the rest,
as JSON with sorted keys, no spaces and ASCII only.  The digest finds any change of a finished file;
as anybody can compute it, it proves nothing, and the mathematics is checked whatever it says.

An irregular triangulation proves no algebraic curve (arXiv 2607.19457), so no certificate is made
of one, and a file of another kind is not valid.

`verify_certificate` trusts nothing in the file and uses integer arithmetic only.

References
----------
O. Viro, Gluing of plane real algebraic curves (1984); arXiv 2604.09221, Section 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from tasks.lattice import Triangulation, is_regular_with
from tasks.records import InputError
from tasks.records.volume import replace_file
from tasks.tcurves._certificate_form import FORMAT, VERSION, parse_record
from tasks.tcurves.isotopy import real_scheme
from tasks.tcurves.signs import as_signs
from tasks.tcurves.weights import weight_bits

KIND = "regular T-curve"
MAX_FILE_BYTES = 16 << 20
MAX_WEIGHT_BITS = 10_000
"""Longer weights are refused; honest ones have a few dozen bits."""


@dataclass(frozen=True)
class Certificate:
    """The content of a certificate file; make one with `of`, read one with `read_certificate`.

    An instance is a claim, not a proof: `verify_certificate` decides.
    """

    degree: int
    triangles: tuple[tuple[int, ...], ...]
    weights: tuple[int, ...]
    signs: str
    scheme: str
    provenance: tuple[tuple[str, str], ...] = ()
    """Notes such as ("seed", "17"), sorted by key; they prove nothing."""
    kind: str = KIND
    sha256: str = ""

    @classmethod
    def of(
        cls,
        triangulation: Triangulation,
        signs: int | ArrayLike,
        *,
        provenance: Mapping[str, object] | None = None,
    ) -> Certificate:
        """Certify a T-curve; its scheme is computed, and provenance kept as text.

        Raises
        ------
        InputError
            If the triangulation has no weights that induce it, or they are too long.
        """
        weights = _certified_weights(triangulation)
        s = as_signs(triangulation.degree, signs)
        certificate = cls(
            degree=triangulation.degree,
            triangles=tuple(map(tuple, triangulation.triangles.tolist())),
            weights=weights,
            signs="".join(map(str, s.tolist())),
            scheme=str(real_scheme(triangulation, s)),
            provenance=tuple(sorted((str(k), str(v)) for k, v in (provenance or {}).items())),
        )
        return certificate.sealed()

    def sealed(self) -> Certificate:
        """Return the same content with its digest."""
        return replace(self, sha256=self.digest())

    def digest(self) -> str:
        """SHA-256 of everything but the stated digest, 64 hex digits."""
        content = self._content()
        del content["sha256"]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return sha256(text.encode("ascii")).hexdigest()

    def _content(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "degree": self.degree,
            "scheme": self.scheme,
            "signs": self.signs,
            "weights": list(self.weights),
            "triangles": [list(triangle) for triangle in self.triangles],
            "provenance": dict(self.provenance),
            "sha256": self.sha256,
        }

    @property
    def size(self) -> tuple[Any, ...]:
        """Order certificates: bits of the weights, then weights, signs, triangles."""
        return weight_bits(self.weights), self.weights, self.signs, self.triangles

    def to_json(self) -> str:
        """Write the file's text: one line per key, the same bytes for the same content."""
        lines = (f" {json.dumps(k)}: {json.dumps(v)}" for k, v in self._content().items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def write(self, path: str | Path) -> None:
        """Write the file in one step: a reader sees the old content or the new one.

        Raises
        ------
        StoreError
            If that fails; an earlier file is as it was.
        """
        replace_file(path, self.to_json().encode(), "certificate")


def _certified_weights(triangulation: Triangulation) -> tuple[int, ...]:
    """Return the weights if they prove regularity."""
    weights = triangulation.weights
    if weights is None or not is_regular_with(triangulation, weights):
        what = "no weights" if weights is None else "weights that do not induce it"
        raise InputError(
            f"triangulation {triangulation.name} has {what}: a certificate needs weights that "
            "prove it regular (certify_regularity finds them unless it is irregular)"
        )
    if max(weight.bit_length() for weight in weights) > MAX_WEIGHT_BITS:
        raise InputError(
            f"weights of {triangulation.name} have more than {MAX_WEIGHT_BITS} bits: "
            "shrink_weights makes them smaller"
        )
    return weights


def smallest(certificates: Iterable[Certificate]) -> Certificate:
    """Return the certificate with the least `size`, whatever their order.

    Raises
    ------
    InputError
        If there are none.
    """
    found = min(certificates, key=lambda certificate: certificate.size, default=None)
    if found is None:
        raise InputError("there are no certificates to choose from")
    return found


def read_certificate(path: str | Path) -> Certificate:
    """Read a certificate file; whether it is valid, `verify_certificate` decides.

    Raises
    ------
    InputError
        If the file cannot be read or does not have the form of a certificate, with the reason.
    """
    try:
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path} is no certificate: it has more than {MAX_FILE_BYTES} bytes")
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return parse_certificate(data.decode("utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        reason = error if isinstance(error, InputError) else "it is not a text file"
        raise InputError(f"{path} is no certificate: {reason}") from error


def parse_certificate(text: str) -> Certificate:
    """Read a certificate from its text.

    Raises
    ------
    InputError
        If the text does not have the form of a certificate.
    """
    record = parse_record(text)
    return Certificate(
        degree=record["degree"],
        triangles=tuple(map(tuple, record["triangles"])),
        weights=tuple(record["weights"]),
        signs=record["signs"],
        scheme=record["scheme"],
        provenance=tuple(sorted(record["provenance"].items())),
        kind=record["kind"],
        sha256=record["sha256"],
    )
