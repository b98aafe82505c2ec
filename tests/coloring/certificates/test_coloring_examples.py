"""Certificates in the folder of examples."""

from fractions import Fraction
from pathlib import Path

import pytest

from tasks.coloring import read_certificate, verify_certificate
from tasks.coloring.checker import check

FIVE = Path(__file__).parents[3] / "examples" / "colorings" / "coloring-a4e6205c4348f795.json"
PUBLISHED = Fraction(142342, 1945 * 1970)
"""The least removed fraction with five colors that is published: 3.714901 %."""


def test_five_colors_remove_less_than_the_published_grid():
    found = verify_certificate(read_certificate(FIVE))
    assert found.valid and found.removed < Fraction("0.034715") < PUBLISHED


@pytest.mark.slow
def test_the_second_checker_agrees():
    assert check(FIVE.read_bytes()).state == "valid"
