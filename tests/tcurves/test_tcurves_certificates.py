"""Certificates, and what verification says about changed ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import regular_triangulations, sign_words

from tasks.lattice import (
    Regularity,
    certify_regularity,
    flip,
    flippable_edges,
    honeycomb,
    load_triangulations,
    num_points,
    random_flips,
)
from tasks.records import InputError, StoreError
from tasks.tcurves import (
    Scheme,
    as_word,
    frontier_census,
    harnack_signs,
    real_scheme_by_euler,
)
from tasks.tcurves import verification as verification_module
from tasks.tcurves.certificates import (
    Certificate,
    parse_certificate,
    read_certificate,
    smallest,
)
from tasks.tcurves.verification import verify_certificate
from tasks.tcurves.weights import shrink_weights


def named(name):
    [triangulation] = load_triangulations([name])
    return triangulation


@pytest.fixture(scope="module")
def harnack():
    return Certificate.of(named("6_bat"), harnack_signs(6), provenance={"seed": 17})


def flipped(signs, i):
    return signs[:i] + "10"[int(signs[i])] + signs[i + 1 :]


def checks(verification):
    return {reason.split(":")[0] for reason in verification.reasons}


# --- What is right ------------------------------------------------------------------------------


@settings(max_examples=40)
@given(regular_triangulations(1, 8), st.data())
def test_a_certificate_of_a_regular_t_curve_is_valid(triangulation, data):
    word = data.draw(sign_words(triangulation.degree))
    certificate = Certificate.of(triangulation, word)
    verification = verify_certificate(certificate)
    assert verification.valid
    assert verification.reasons == ()
    assert verification.scheme == str(real_scheme_by_euler(triangulation, word))
    assert verification.dividing in ("I", "II")
    assert parse_certificate(certificate.to_json()) == certificate


def test_all_sextics_are_certified_from_two_triangulations(tmp_path):
    found = {}
    for name in ("6_bat", "6_moth"):
        triangulation = named(name)
        small = shrink_weights(triangulation, triangulation.weights)
        triangulation = triangulation.with_weights(small)
        for row in frontier_census(triangulation).schemes:
            if str(row.scheme) in found:
                continue
            certificate = Certificate.of(triangulation, row.witness, provenance={"from": name})
            path = tmp_path / f"{len(found)}.json"
            certificate.write(path)
            verification = verify_certificate(read_certificate(path))
            assert verification.valid
            found[verification.scheme] = path
    assert len(found) == 55


def test_a_summary_is_one_line_that_says_what_is_proved(harnack):
    verification = verify_certificate(harnack)
    assert verification.summary == (
        "valid: a nonsingular real algebraic curve of degree 6 has the real scheme <9v1<1>> "
        "(type I)"
    )
    wrong = verify_certificate(replace(harnack, scheme="<5v1<5>>"))
    assert wrong.summary.startswith("not valid: digest: ")
    assert "\n" not in wrong.summary


@pytest.mark.parametrize("degree", [12, 30])
def test_high_degrees_are_certified(degree):
    certificate = Certificate.of(honeycomb(degree), harnack_signs(degree))
    assert verify_certificate(certificate).valid


def test_the_file_is_the_same_for_the_same_content(harnack, tmp_path):
    harnack.write(tmp_path / "a" / "one.json")
    read_certificate(tmp_path / "a" / "one.json").write(tmp_path / "two.json")
    one, two = (tmp_path / "a" / "one.json").read_bytes(), (tmp_path / "two.json").read_bytes()
    assert one == two
    assert json.loads(one)["provenance"] == {"seed": "17"}


# --- What was changed ---------------------------------------------------------------------------


@pytest.mark.parametrize("point", range(28))
def test_one_changed_sign_fails(harnack, point):
    tampered = replace(harnack, signs=flipped(harnack.signs, point))
    assert "digest" in checks(verify_certificate(tampered))
    sealed = verify_certificate(tampered.sealed())
    derived = str(real_scheme_by_euler(named("6_bat"), [int(c) for c in tampered.signs]))
    assert sealed.valid == (derived == "<9v1<1>>")
    if not sealed.valid:
        assert f"scheme: <9v1<1>> stated, {derived} derived" in sealed.reasons


@pytest.mark.parametrize("point", range(28))
@pytest.mark.parametrize("change", [-1, 1, 10**6, -(10**6)])
def test_one_changed_weight_fails(harnack, point, change):
    weights = list(harnack.weights)
    weights[point] += change
    tampered = replace(harnack, weights=tuple(weights))
    assert "digest" in checks(verify_certificate(tampered))
    sealed = verify_certificate(tampered.sealed())
    is_regular = abs(change) == 1 or (change > 0 and point in (0, 6, 27))
    # Raising a corner bends the one edge around it; everything else of that size breaks a fold.
    assert sealed.valid == is_regular
    assert checks(sealed) == (set() if is_regular else {"weights"})


def test_one_changed_triangle_fails(harnack):
    for index in range(36):
        for replacement in ((0, 1, 7), (0, 1, 2), (0, 0, 1), (0, 1, 28), (0, 1)):
            triangles = list(harnack.triangles)
            if triangles[index] == replacement:
                continue
            triangles[index] = replacement
            tampered = replace(harnack, triangles=tuple(triangles))
            assert "digest" in checks(verify_certificate(tampered))
            assert checks(verify_certificate(tampered.sealed())) == {"triangulation"}


def test_every_flip_breaks_the_weights(harnack):
    bat = named("6_bat")
    for a, b, _, _ in flippable_edges(bat).tolist():
        triangles = tuple(map(tuple, flip(bat, (a, b)).triangles.tolist()))
        tampered = replace(harnack, triangles=triangles)
        assert {"digest", "weights"} <= checks(verify_certificate(tampered))
        assert "weights" in checks(verify_certificate(tampered.sealed()))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"scheme": "<1v1<9>>"}, "scheme"),
        ({"scheme": "<8v1<1>>"}, "scheme"),
        ({"scheme": "<11>"}, "restrictions"),
        ({"scheme": "nonsense"}, "scheme"),
        ({"scheme": None}, "scheme"),
        ({"scheme": "<" + "9" * 5000 + ">"}, "scheme"),
        ({"scheme": "1<" * 3000}, "scheme"),
        ({"scheme": "<1000<1000<1000<1>>>>"}, "scheme"),
        ({"degree": 7}, "triangulation"),
        ({"degree": 0}, "triangulation"),
        ({"degree": "6"}, "triangulation"),
        ({"degree": 10**9}, "triangulation"),
        ({"signs": "01"}, "signs"),
        ({"signs": "2" * 28}, "signs"),
        ({"signs": ""}, "signs"),
        ({"signs": None}, "signs"),
        ({"weights": ()}, "weights"),
        ({"weights": (0,) * 28}, "weights"),
        ({"weights": (0.5,) * 28}, "weights"),
        ({"weights": (1 << 10_001,) * 28}, "weights"),
        ({"triangles": ()}, "triangulation"),
        ({"triangles": None}, "triangulation"),
        ({"kind": "irregular T-curve"}, "kind"),
    ],
)
def test_wrong_mathematics_fails_with_a_digest_made_anew(harnack, change, check):
    tampered = replace(harnack, **change)
    if change.get("triangles", ()) is None:
        tampered = replace(tampered, sha256=harnack.sha256)
    else:
        tampered = tampered.sealed()
    verification = verify_certificate(tampered)
    assert not verification.valid
    assert check in checks(verification)


def test_notes_are_sealed_too(harnack):
    forged = replace(harnack, provenance=(("seed", "18"),))
    assert checks(verify_certificate(forged)) == {"digest"}
    assert verify_certificate(forged.sealed()).valid


def test_a_scheme_may_be_stated_in_any_notation(harnack):
    assert verify_certificate(replace(harnack, scheme=" < 1<1> ⊔ 9 > ").sealed()).valid


def test_disagreeing_algorithms_are_reported(harnack, monkeypatch):
    monkeypatch.setattr(
        verification_module, "real_scheme_by_euler", lambda *_: Scheme.parse("<5v1<5>>")
    )
    monkeypatch.setattr(verification_module, "num_components_by_rank", lambda *_: 3)
    verification = verify_certificate(harnack)
    assert checks(verification) == {"scheme"}
    assert "one algorithm derives <9v1<1>>, the other <5v1<5>>" in verification.summary
    assert "3 components by rank" in verification.summary


# --- What is no certificate ---------------------------------------------------------------------


def test_irregular_triangulations_are_not_certified():
    rng = np.random.default_rng(0)
    walks = (random_flips(honeycomb(8), 3000, rng) for _ in range(20))
    irregular = next(t for t in walks if certify_regularity(t).status is Regularity.IRREGULAR)
    with pytest.raises(InputError, match="no weights"):
        Certificate.of(irregular, harnack_signs(8))
    with pytest.raises(InputError, match="do not induce"):
        Certificate.of(irregular.with_weights(honeycomb(8).weights), harnack_signs(8))
    forged = replace(
        Certificate.of(honeycomb(8), harnack_signs(8)),
        triangles=tuple(map(tuple, irregular.triangles.tolist())),
    )
    assert checks(verify_certificate(forged.sealed())) == {"weights"}


def test_weights_too_long_for_a_file_are_refused():
    huge = honeycomb(2).with_weights([w << 10_001 for w in honeycomb(2).weights])
    with pytest.raises(InputError, match="shrink_weights"):
        Certificate.of(huge, 0)


@settings(max_examples=60)
@given(st.data())
def test_damaged_files_are_refused_or_not_valid(harnack, data):
    text = harnack.to_json()
    cut = data.draw(st.integers(0, len(text) - 3))
    with pytest.raises(InputError):
        parse_certificate(text[:cut])
    at = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from('019"[]{},:ax .-'))
    changed = text[:at] + character + text[at + 1 :]
    try:
        certificate = parse_certificate(changed)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert certificate == harnack or not verify_certificate(certificate).valid


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "its format is 'other'"),
        ("version", 2, "version 2"),
        ("version", True, "version True"),
        ("version", "1", "version '1'"),
        ("degree", 6.0, "6.0 is not an integer"),
        ("degree", True, "degree is True"),
        ("degree", float("nan"), "NaN is not an integer"),
        ("signs", 0, "signs is 0"),
        ("weights", ["1"] * 28, "weights is"),
        ("triangles", [1, 2], "triangles is"),
        ("provenance", {"seed": 1}, "provenance is"),
        ("unknown", 1, "missing or unknown keys: unknown"),
        ("scheme", [["x"] * 100], "scheme is"),
    ],
)
def test_files_of_the_wrong_form_are_refused(harnack, tmp_path, key, value, message):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(json.loads(harnack.to_json()) | {key: value}))
    with pytest.raises(InputError, match="is no certificate") as caught:
        read_certificate(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", "{}", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": ' + "1" * 5000 + "}"],
)
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(InputError):
        parse_certificate(text)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_certificate(tmp_path / "missing.json")
    with pytest.raises(InputError, match="Is a directory"):
        read_certificate(tmp_path)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not a text file"):
        read_certificate(tmp_path / "binary")
    with (tmp_path / "big").open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(InputError, match="more than"):
        read_certificate(tmp_path / "big")


def test_a_failed_write_keeps_the_earlier_file(harnack, tmp_path, monkeypatch):
    path = tmp_path / "certificate.json"
    harnack.write(path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        replace(harnack, scheme="<10>").write(path)
    assert read_certificate(path) == harnack
    assert [p.name for p in tmp_path.iterdir()] == ["certificate.json"]


# --- Sizes --------------------------------------------------------------------------------------


def test_the_smallest_certificate_does_not_depend_on_the_order():
    triangulation = named("6_bat")
    small = triangulation.with_weights(shrink_weights(triangulation, triangulation.weights))
    row = frontier_census(triangulation, min_ovals=11).schemes[0]
    candidates = [
        Certificate.of(t, signs)
        for t in (triangulation, small)
        for signs in (row.witness, as_word(harnack_signs(6)))
    ]
    best = smallest(candidates)
    assert best == smallest(reversed(candidates))
    assert best.weights == small.weights
    assert best.size[0] == sum(w.bit_length() for w in small.weights)
    with pytest.raises(InputError, match="no certificates"):
        smallest([])
    assert len(best.signs) == num_points(6)
