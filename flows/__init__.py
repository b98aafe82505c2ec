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
)


@cache
def all_studies() -> dict[str, Study | Chain]:
    """Name -> study or chain, in the order of the list."""
    own = filter(None, os.environ.get("LATTICEWORK_STUDIES", "").split(","))
    return {study.name: study for study in map(load, (*STUDIES, *own))}


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
