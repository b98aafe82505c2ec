"""No corrupted certificate that is wrong is accepted by either checker."""

import json

import pytest
from coloring_corruptions import originals, random_corruption
from exact_truth import covers_once, is_proper

from tasks.coloring.certificates.files import (
    certificate_bytes,
    certificate_record,
    read_certificate,
    verify_certificate,
)
from tasks.coloring.certificates.norms import PNorm
from tasks.coloring.certificates.polygons import PolygonColoring
from tasks.coloring.checker import check as check_again
from tasks.records import InputError


def accepts(data):
    """Whether a file is a certificate and valid."""
    try:
        return verify_certificate(read_certificate(data)).valid
    except InputError:
        return False


def verdicts(data):
    """Whether the first and the second checker accept a file."""
    return accepts(data), check_again(data).state == "valid"


def statement(record):
    """What a certificate states, but for free text and the field that numbers may be of."""
    return {key: value for key, value in record.items() if key not in ("about", "surd")}


ORIGINAL_STATEMENTS = [statement(record) for record in originals().values()]


def is_true(data):
    """Whether an accepted file states what an original does, or what brute force confirms."""
    coloring = read_certificate(data)
    if statement(certificate_record(coloring)) in ORIGINAL_STATEMENTS:
        return True
    is_partition = not isinstance(coloring, PolygonColoring) or covers_once(coloring)
    return is_partition and is_proper(coloring)


def count_accepted(seeds):
    """How many corruptions are accepted; all of them are true, and both checkers agree.

    Only in p-norms they need not agree: each counts what its enclosures leave undecided.
    """
    accepted = 0
    for seed in seeds:
        corruption = random_corruption(seed)
        first, second = verdicts(corruption.data)
        if first or second:
            accepted += 1
            assert not corruption.is_wrong, corruption.name
            assert is_true(corruption.data), corruption.name
            is_enclosed = isinstance(read_certificate(corruption.data).norm, PNorm)
            assert first == second or is_enclosed, corruption.name
    return accepted


def test_the_originals_are_accepted_and_true():
    for name, record in originals().items():
        data = certificate_bytes(record)
        assert verdicts(data) == (True, True), name
        coloring = read_certificate(data)
        # The same squares again, as cells.
        assert name == "four" or is_proper(coloring), name
        assert not isinstance(coloring, PolygonColoring) or covers_once(coloring), name


def test_no_corruption_of_sixty_is_accepted_unless_it_is_true():
    accepted = count_accepted(range(60))
    assert accepted > 5, "the oracle was asked too rarely"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 10_100, 500))
def test_no_corruption_of_ten_thousand_is_accepted_unless_it_is_true(first):
    assert count_accepted(range(first, first + 500)) > 20


@pytest.mark.parametrize("name", sorted(originals()))
def test_stated_digests_are_those_of_the_content(name):
    """A changed digit in the tiles or cells is refused as long as the digest is the old one."""
    record = json.loads(certificate_bytes(originals()[name]))
    entry = record[record["form"]]
    entry["sha256"] = "0" * 64
    with pytest.raises(InputError, match="sha256 that is stated"):
        read_certificate(certificate_bytes(record))
