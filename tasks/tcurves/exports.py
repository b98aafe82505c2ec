"""What leaves a stored run of T-curves for people: certificates, polynomials, galleries.

They are made from the stored records alone: of a census or a sweep from its tables histogram and
summary, of a hunt from its archive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from tasks.records import InputError, LatticeworkError, Run, Stored
from tasks.records.volume import Volume
from tasks.tcurves.gallery import gallery_page
from tasks.tcurves.hunt import reported_schemes
from tasks.tcurves.polynomial import t_polynomial
from tasks.tcurves.verification import verify_certificate
from tasks.tcurves.verify import CLASSIFIED_DEGREE, possible_schemes
from tasks.tcurves.witnesses import (
    Witness,
    archive_witnesses,
    census_witnesses,
    choose_schemes,
)

__all__ = ["CERTIFICATES", "export", "run_witnesses", "write_certificates", "write_galleries"]

CERTIFICATES = "certificates"
"""Folder of the certificates in a run's folder, unless another one is asked for."""


def run_witnesses(stored: Stored) -> list[Witness]:
    """The best witness of every scheme of a run, by degree and scheme.

    Raises
    ------
    InputError
        If the run has no witnesses.
    """
    run_id = stored.run.run_id
    if "archive" in stored.schemas:
        needed: tuple[str, ...] = ("archive",)
        choose: Callable[..., list[Witness]] = archive_witnesses
    else:
        needed, choose = ("histogram", "summary"), census_witnesses
    if any(stored.is_empty(table) for table in needed):
        raise InputError(f"run {run_id} has no schemes stored yet")
    witnesses = choose(*map(stored.run.read, needed))
    if not witnesses:
        raise InputError(f"run {run_id} has no witnesses, which certificates and pictures need")
    return witnesses


def write_certificates(
    stored: Stored, *, scheme: str = "", to: str = "", polynomial: bool = False
) -> Iterator[str]:
    """Write the smallest certificate of every scheme of a run, each verified before; their places.

    Parameters
    ----------
    stored : Stored
    scheme : str
        Only this one, in Viro notation.
    to : str
        Local folder or URI; by default ``certificates`` in the run's folder.
    polynomial : bool
        Write an integer polynomial of the curve beside each, as text, see `t_polynomial`.

    Raises
    ------
    InputError
        If the scheme is not Viro notation or was not found, or the run has no witnesses.
    LatticeworkError
        At the end, if a scheme was found only on triangulations that are not certified regular.
    StoreError
        If a file cannot be written.
    """
    witnesses = run_witnesses(stored)
    chosen = choose_schemes(witnesses, scheme) if scheme else witnesses
    place = Volume.open(to) if to else stored.run.volume.below(CERTIFICATES)
    for witness in chosen:
        if not witness.is_certified:
            continue
        files = {f"{witness.file_stem}.json": _certificate_text(witness, stored.run)}
        if polynomial:
            files[f"{witness.file_stem}.txt"] = _polynomial_text(witness)
        for name, text in files.items():
            place.write(name, text.encode())
            yield place.location(name)
    left = [str(witness.scheme) for witness in chosen if not witness.is_certified]
    if left:
        raise LatticeworkError(
            f"no certificate of {', '.join(left)}: found only on triangulations that are not "
            "certified regular"
        )


def export(stored: Stored, *, item: str = "", to: str = "") -> Iterator[str]:
    """`write_certificates` to a folder that has to be given; `item` is a scheme."""
    if not to:
        raise InputError("export needs a folder: give --to FOLDER")
    return write_certificates(stored, scheme=item, to=to)


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


def write_galleries(stored: Stored) -> Iterator[str]:
    """Write ``gallery-<degree>.html`` into the run's folder for every degree; their places.

    Raises
    ------
    InputError
        If the run has no witnesses.
    StoreError
        If a file cannot be written.
    """
    run = stored.run
    for degree, group in groupby(run_witnesses(stored), key=lambda witness: witness.degree):
        name = f"gallery-{degree}.html"
        source = f"{run.identity.flow} {run.run_id}, code {run.identity.code_version}"
        page = gallery_page(group, known=_known_schemes(stored, degree), source=source)
        run.volume.write(name, page.encode())
        yield run.volume.location(name)


def _known_schemes(stored: Stored, degree: int) -> Sequence[str]:
    """The list of a hunt; else the classification, or in degree 8 what is reported, or nothing."""
    if "known" in stored.schemas:
        return stored.table("known")["scheme"].to_pylist()
    if degree <= CLASSIFIED_DEGREE:
        return possible_schemes(degree)
    return reported_schemes() if degree == 8 else ()
