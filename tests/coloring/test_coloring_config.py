"""Configs of colorings refuse what cannot be colored, in one line."""

import pytest
from pydantic import ValidationError

from tasks.coloring.config import PlaneColoringConfig
from tasks.records.config import describe_validation_error


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"colors": 0}, "colors: 0"),
        ({"colors": True}, "colors: True is not allowed: must not be true or false"),
        ({"penalties": [True]}, "must not be true or false"),
        ({"distances": {"4": "0"}}, "positive"),
        ({"distances": {"4": "-0.5"}}, "not a distance"),
        ({"distances": {"4": "nan"}}, "not a distance"),
        ({"distances": {"5": "0.5"}}, "does not exist"),
        ({"distances": {"4": "0.5", "04": "0.6"}}, "distances name color 4 twice"),
        ({"lattice": [["1", "2"], ["2", "4"]]}, "parallel"),
        ({"lattice": [["1", "inf"], ["2", "4"]]}, "not a number"),
        ({"lattice": [["1000000000", "0"], ["0", "1"]]}, "the lattice is too thin"),
        ({"lattice": [["0", "1"], ["2000000000", "1"]]}, "the lattice is too thin"),
        ({"lattice": [["90000", "0"], ["0", "90000"]]}, "area of a period of the lattice must be"),
        (
            {"lattice": [["1", "1"], ["400", "401"]]},
            'the reduced basis [["0", "1"], ["1", "0"]]',
        ),
        ({"norm": "round"}, "norm 'round' is not known"),
        ({"cells": 0, "polygons": 0}, "nothing would be constructed"),
        ({"dimension": 3, "polygons": 1, "grids": [8]}, "Euclidean plane"),
        ({"penalties": [-1]}, "at least 0"),
        ({"areas": [1e-300, 1e300]}, "areas are from 0.001 to 1,000,000"),
        ({"areas": [3, 2]}, "the smaller one first"),
    ],
)
def test_what_cannot_be_colored_is_refused_in_one_line(settings, words):
    with pytest.raises(ValidationError) as raised:
        PlaneColoringConfig(**{"cells": 64, **settings})
    said = describe_validation_error(raised.value, model=PlaneColoringConfig)
    assert words in said and "\n" not in said


def test_a_start_of_one_row_of_cells_may_have_a_long_basis():
    row = [["1", "1"], ["400", "401"]]
    config = PlaneColoringConfig(lattice=row, start="row.npz")
    assert config.lattice == tuple(map(tuple, row))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("seeds", 65), ("first_seed", 1), ("penalties", [0.1]), ("learn_lattice", False)),
        *(("areas", [2.5, 4]), ("grids", [12]), ("steps", 9), ("kept", 1), ("margin", 0.1)),
        *(("per_call", 2), ("finalists", 1), ("cells", 64), ("rounds", 2)),
    ],
)
@pytest.mark.parametrize("dimension", [2, 3])
def test_settings_of_searches_are_refused_beside_a_start(name, value, dimension):
    own = {"dimension": dimension, "start": "mine.npz"}
    assert PlaneColoringConfig(**own).start == "mine.npz"
    if (name, dimension) == ("cells", 3):
        value = 32
    with pytest.raises(ValidationError) as raised:
        PlaneColoringConfig(**own, **{name: value})
    said = describe_validation_error(raised.value, model=PlaneColoringConfig)
    assert name in said and "set" in said and "\n" not in said


def test_a_start_takes_what_repairs_and_moves_it():
    settings = {"cells": 0, "repeats": [1, 2], "shake": 0.003, "first_seed": 7, "refined": 0}
    config = PlaneColoringConfig(colors=6, start="pritikin6", seeds=64, **settings)
    assert PlaneColoringConfig.model_validate(config.model_dump()) == config
