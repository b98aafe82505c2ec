"""What runs, in which order: one file for each question, and the one public list of them.

The list names studies by reference, and a study names its functions by reference, so that listing
the questions imports neither Prefect nor Ray nor the fields. Studies of one's own are added by the
environment variable LATTICEWORK_STUDIES: references ``package.module:STUDY``, separated by commas.
"""

from __future__ import annotations

import os
from functools import cache

from flows.study import Chain, Study, load
from tasks.records.errors import InputError, unknown_name

__all__ = ["STUDIES", "all_studies", "find_study"]

STUDIES: tuple[str, ...] = (
    "flows.tcurve_census:STUDY",
    "flows.tcurve_sweep:STUDY",
    "flows.tcurve_hunt:STUDY",
    "flows.sos_certify:STUDY",
    "flows.sos_dataset:STUDY",
    "flows.sos_train:STUDY",
    "flows.sos_benchmark:STUDY",
    "flows.neural_sos:CHAIN",
    "flows.sparse_soup:STUDY",
    "flows.imp:STUDY",
    "flows.perp:STUDY",
    "flows.frank_wolfe:STUDY",
    "flows.compression_aware:STUDY",
    "flows.adaptive_networks:STUDY",
    "flows.adaptive_frank_wolfe:STUDY",
    "flows.plane_coloring:STUDY",
    "flows.coloring_sweep:STUDY",
)


_OWN = "LATTICEWORK_STUDIES: "


@cache
def all_studies() -> dict[str, Study | Chain]:
    """Name -> study or chain, in the order of the list."""
    found: dict[str, Study | Chain] = {study.name: study for study in map(load, STUDIES)}
    named = os.environ.get("LATTICEWORK_STUDIES", "").split(",")
    for reference in filter(None, map(str.strip, named)):
        study = _own(reference)
        if found.setdefault(study.name, study) is not study:
            raise InputError(f"{_OWN}{reference}: another study is called {study.name!r}")
    return found


def _own(reference: str) -> Study | Chain:
    try:
        study = load(reference)
    except (Exception, SystemExit) as error:  # a module raises what it likes
        raise InputError(f"{_OWN}{reference}: {type(error).__name__}: {error}") from error
    if not isinstance(study, Study | Chain):
        raise InputError(f"{_OWN}{reference}: it is neither a Study nor a Chain")
    return study


def find_study(name: str) -> Study | Chain:
    """The study or chain of that name.

    Raises
    ------
    InputError
        If there is none; the message names the closest.
    """
    studies = all_studies()
    if name not in studies:
        raise InputError(unknown_name("flow", name, studies))
    return studies[name]
