"""No corrupted certificate is accepted, unless it means the same; no corruption makes it crash."""

import json
import math
import random
import re
import zlib
from base64 import b64decode
from fractions import Fraction as Q

import checker_examples as examples
import coloring_oracles as oracles
import pytest

from tasks.coloring.checker import check

# Their distances are tight, up to 2e-9 in the heptagons: others are wrong, or narrower intervals.
TIGHT = ("squares", "heptagons", "triangular", "coulson")
NUMBER = re.compile(r"-?\d+(\.\d+|/\d+)?", re.ASCII)
BYTES = b'0123456789-./"[]{},: abcdefnul\\\x00\xff'


def corrupted_bytes(draw, data):
    """One byte, or a few, changed, left out, put in or moved."""
    start = draw.randrange(len(data))
    kind = draw.randrange(5)
    if kind == 0:
        return data[:start] + bytes([data[start] ^ (1 << draw.randrange(8))]) + data[start + 1 :]
    if kind == 1:
        return data[:start] + data[start + draw.randint(1, 4) :]
    if kind == 2:
        return data[:start] + bytes([draw.choice(BYTES)]) + data[start:]
    if kind == 3:
        return data[:start]
    end = min(len(data), start + draw.randint(1, 40))
    place = draw.randrange(len(data))
    return data[:place] + data[start:end] + data[place:]


def places(value, path=()):
    """The paths to all values within an object."""
    keys = value if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    for key in keys:
        yield (*path, key)
        yield from places(value[key], (*path, key))


def at(record, path):
    for key in path:
        record = record[key]
    return record


def corrupted_value(draw, value):
    """Another value, often a near one."""
    if isinstance(value, str) and NUMBER.fullmatch(value) and draw.random() < 0.8:
        digits = [k for k, c in enumerate(value) if c.isdigit()]
        place = draw.choice(digits)
        changed = value[:place] + draw.choice("0123456789") + value[place + 1 :]
        return draw.choice([changed, changed, f"{value}0", f"-{value}", f"{value}.00000001"])
    if type(value) is int and draw.random() < 0.8:
        return value + draw.choice([-1, 1, 5])
    if isinstance(value, list) and value and draw.random() < 0.8:
        changed = list(value)
        place = draw.randrange(len(value))
        if draw.random() < 0.5:
            changed.insert(place, draw.choice(value))
        else:
            del changed[place]
        return changed
    return draw.choice([None, True, 0, 1, -1, 0.5, "", "1", "euclidean", [], [[]], {}, 10**30])


def corrupted_record(draw, record):
    """One value replaced by another one, or by a value from elsewhere; digests made to fit."""
    paths = list(places(record))
    *path, key = draw.choice(paths)
    holder = at(record, path)
    if draw.random() < 0.7:
        holder[key] = corrupted_value(draw, holder[key])
    else:
        holder[key] = json.loads(json.dumps(at(record, draw.choice(paths))))
    for form in ("polygons", "voronoi"):
        if isinstance(record.get(form), dict) and "tiles" in record[form]:
            examples.sealed(record)
    return record


def meaning(value, surd=None):
    """The object with numbers for their texts, without what proves nothing."""
    if isinstance(value, dict):
        form, surd = value.get("form"), value.get("surd", surd)
        made = {key: meaning(part, surd) for key, part in value.items() if key != "about"}
        if form == "voronoi":
            made[form] = {**made[form], "tiles": centers(value[form])}
        if form == "cells":
            made[form] = {**made[form], "colors": zlib.decompress(b64decode(value[form]["colors"]))}
        return {key: part for key, part in made.items() if key != "sha256"}
    if isinstance(value, list):
        parts = [meaning(part, surd) for part in value]
        # The number a + 0 sqrt(n) is a.
        is_rational = surd and len(parts) == 2 and isinstance(parts[0], Q) and parts[1] == 0
        return parts[0] if is_rational else parts
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return Q(value)
    return value if value is None or isinstance(value, str) else (type(value), value)


def centers(content):
    """The colors of the cells by a linear form that is 0 modulo their number on the sublattice."""
    form = {15: (-13, -11, 1), 7: (1, 5)}[len(content["tiles"])]
    return sorted(
        (color, oracles.inner(form, place) % len(content["tiles"]))
        for color, place in content["tiles"]
    )


def real(x):
    """A number a + b sqrt(3) in floats."""
    return float(x[0]) + math.sqrt(3) * float(x[1]) if isinstance(x, list) else float(x)


def square(bound):
    return real(bound["square"]) if isinstance(bound, dict) else real(bound) ** 2


def is_same_lattice(rows, known):
    """Whether two bases are integer combinations of each other."""
    for one, other in ((rows, known), (known, rows)):
        columns = [list(map(real, column)) for column in zip(*other, strict=True)]
        for row in one:
            coefficients = oracles.solved(columns, list(map(real, row)))
            if any(abs(c - round(c)) > 1e-9 for c in coefficients):
                return False
    return True


def claims_no_more(claimed, valid):
    """Whether the forbidden distances of every color lie in what is known to be avoided."""
    return all(
        any(square(a) <= square(low) and square(high) <= square(b) for a, b in known)
        for given, known in zip(claimed, valid, strict=True)
        for low, high in given
    )


def assert_none_is_accepted(name, seed, rounds):
    draw = random.Random(f"{name}, {seed}")
    record = examples.ALL[name]()
    data = examples.written(record)
    name_of_file = f"coloring-{check(data).details['sha256'][:16]}.json"
    assert check(data, name_of_file).state == "valid"
    expected = meaning(record)
    refused = 0
    for _ in range(rounds):
        if draw.random() < 0.5:
            bad = corrupted_bytes(draw, data)
        else:
            bad = examples.written(corrupted_record(draw, json.loads(data)))
        verdict = check(bad)
        assert "\n" not in str(verdict) and str(verdict).isascii()
        if verdict.state == "valid":
            found = meaning(json.loads(bad))
            assert claims_no_more(found["forbidden"], expected["forbidden"]), bad
            assert is_same_lattice(found["lattice"], expected["lattice"]), bad
            rest = {"forbidden": None, "lattice": None}
            assert found | rest == expected | rest, bad
            if found != expected:
                assert check(bad, name_of_file).state == "refused"
        refused += verdict.state != "valid"
    assert refused > 0.8 * rounds


@pytest.mark.parametrize("name", TIGHT)
def test_no_random_corruption_is_accepted(name):
    assert_none_is_accepted(name, 0, 250)


@pytest.mark.slow
@pytest.mark.parametrize("name", TIGHT)
@pytest.mark.parametrize("seed", range(1, 6))
def test_no_random_corruption_of_many_is_accepted(name, seed):
    assert_none_is_accepted(name, seed, 500)
