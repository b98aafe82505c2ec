"""What leaves a stored run of T-curves for people: certificates, polynomials, galleries.

They are made from the stored records alone: of a census or a sweep from its tables histogram and
summary, of a hunt from its archive. Certificates of sums of squares are `flows.sos_exports`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tasks.records import InputError, LatticeworkError, Run
from tasks.records.volume import Volume
from tasks.tcurves.gallery import gallery_page
from tasks.tcurves.hunt import KNOWN_SCHEMA, reported_schemes
from tasks.tcurves.polynomial import t_polynomial
from tasks.tcurves.verification import verify_certificate
from tasks.tcurves.verify import CLASSIFIED_DEGREE, possible_schemes
from tasks.tcurves.witnesses import (
    Witness,
    archive_witnesses,
    census_witnesses,
    choose_schemes,
)

__all__ = ["Export", "run_witnesses", "write_certificates", "write_galleries"]

CERTIFICATES = "certificates"
"""Folder of the certificates in a run's folder, unless another one is asked for."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes
    ----------
    paths : tuple of str
        Places of the files, in the order of the schemes.
    uncertified : tuple of str
        Schemes found only on triangulations that are not certified regular.
    """

    paths: tuple[str, ...]
    uncertified: tuple[str, ...]


def run_witnesses(run: Run) -> list[Witness]:
    """The best witness of every scheme of a run, by degree and scheme.

    Raises
    ------
    InputError
        If the run has no such tables, or no witnesses in them.
    """
    tables = set(run.science_tables)
    if "archive" in tables:
        needed: tuple[str, ...] = ("archive",)
        choose: Callable[..., list[Witness]] = archive_witnesses
    else:
        needed, choose = ("histogram", "summary"), census_witnesses
    if not tables.issuperset(needed):
        raise InputError(f"run {run.run_id} is of flow {run.identity.flow}, which finds no schemes")
    if not all(run.check((table,)).parts for table in needed):
        raise InputError(f"run {run.run_id} has no schemes stored yet")
    witnesses = choose(*map(run.read, needed))
    if not witnesses:
        raise InputError(f"run {run.run_id} has no witnesses, which certificates and pictures need")
    return witnesses


def write_certificates(
    run: Run, *, scheme: str = "", folder: str = "", with_polynomials: bool = False
) -> Export:
    """Write the smallest certificate of every scheme of a run, each verified before.

    Parameters
    ----------
    run : Run
    scheme : str
        Only this one, in Viro notation.
    folder : str
        Local folder or URI; by default ``certificates`` in the run's folder.
    with_polynomials : bool
        Write an integer polynomial of the curve beside each, as text, see `t_polynomial`.

    Raises
    ------
    InputError
        If the scheme is not Viro notation or was not found, or the run has no witnesses.
    StoreError
        If a file cannot be written.
    """
    witnesses = run_witnesses(run)
    chosen = choose_schemes(witnesses, scheme) if scheme else witnesses
    place = Volume.open(folder) if folder else run.volume.below(CERTIFICATES)
    certified = [witness for witness in chosen if witness.is_certified]
    paths = []
    for witness in certified:
        files = {f"{witness.file_stem}.json": _certificate_text(witness, run)}
        if with_polynomials:
            files[f"{witness.file_stem}.txt"] = _polynomial_text(witness)
        for name, text in files.items():
            place.write(name, text.encode())
            paths.append(place.location(name))
    uncertified = [str(witness.scheme) for witness in chosen if not witness.is_certified]
    return Export(tuple(paths), tuple(uncertified))


def _certificate_text(witness: Witness, run: Run) -> str:
    """One certificate; it is not written unless it is valid."""
    certificate = witness.certificate(
        provenance={
            "run": f"{run.identity.flow}/{run.run_id}",
            "code version": run.identity.code_version,
            "triangulation": witness.triangulation.name,
        }
    )
    verification = verify_certificate(certificate)
    if not verification.valid or verification.scheme != str(witness.scheme):
        raise LatticeworkError(
            f"run {run.run_id}: its witness of {witness.scheme} shows {verification.scheme or '?'} "
            f"({verification.summary})"
        )
    return certificate.to_json()


def _polynomial_text(witness: Witness) -> str:
    """An integer polynomial whose curve is proved to have the scheme."""
    polynomial = t_polynomial(witness.triangulation, witness.signs)
    return (
        f"# A curve of degree {witness.degree} with the real scheme {witness.scheme}:\n"
        f"# nonsingular, and isotopic to the T-curve, for every base >= {polynomial.proved_from} "
        "in place of this one.\n"
        f"{polynomial}\n"
    )


def write_galleries(run: Run) -> list[str]:
    """Write ``gallery-<degree>.html`` into the run's folder for every degree; their places.

    Raises
    ------
    InputError
        If the run has no witnesses.
    StoreError
        If a file cannot be written.
    """
    places = []
    for degree, group in groupby(run_witnesses(run), key=lambda witness: witness.degree):
        name = f"gallery-{degree}.html"
        source = f"{run.identity.flow} {run.run_id}, code {run.identity.code_version}"
        page = gallery_page(group, known=_known_schemes(run, degree), source=source)
        run.volume.write(name, page.encode())
        places.append(run.volume.location(name))
    return places


def _known_schemes(run: Run, degree: int) -> Sequence[str]:
    """The list of a hunt; else the classification, or in degree 8 what is reported, or nothing."""
    if "known" in run.science_tables:
        return run.read("known", schema=KNOWN_SCHEMA)["scheme"].to_pylist()
    if degree <= CLASSIFIED_DEGREE:
        return possible_schemes(degree)
    return reported_schemes() if degree == 8 else ()
