"""The checker believes what is proved and nothing else."""

import ast
import copy
import json
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from certificate_examples import (
    ALL,
    CHOI_LAM,
    MOTZKIN,
    MOTZKIN_NORMALS,
    POINTS,
    REFUTATIONS,
    SUMS,
    X,
    Y,
    choi_lam,
    difference_square,
    lower_bound,
    motzkin,
    negative_on_a_set,
    negative_value,
    on_the_circle,
    on_the_disk,
    two_blocks,
    without_x,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import tasks.sos.checker.verification as checker
from tasks.records import InputError
from tasks.sos.certificates import (
    Equality,
    GramBlock,
    NegativeCertificate,
    NotSosCertificate,
    SosCertificate,
)
from tasks.sos.checker.verification import (
    read_certificate_data,
    squares,
    squares_text,
    verify_sos_certificate,
)
from tasks.sos.polynomials.polynomial import Polynomial


def unsealed(certificate) -> dict:
    """The data of a certificate, without its digest."""
    data = certificate.to_data()
    del data["sha256"]
    return data


def reasons(certificate) -> list[str]:
    """What the mathematics has against a certificate: the checks that fail."""
    data = certificate if isinstance(certificate, dict) else certificate.to_data()
    return [reason.split(":")[0] for reason in verify_sos_certificate(data).reasons]


# --- valid --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_the_examples_are_valid(make):
    verification = verify_sos_certificate(make().to_data())
    assert (verification.valid, verification.reasons) == (True, ())
    assert verification.claim == make().claim
    assert verification.num_variables == make().polynomial.num_variables
    assert verification.degree == make().polynomial.degree


@pytest.mark.parametrize(
    ("make", "statement"),
    [
        (difference_square, "p is a sum of squares"),
        (lower_bound, "p - (-5/4) is a sum of squares, hence p >= -5/4"),
        (on_the_disk, "p >= 0 on the set given by 2 inequalities"),
        (on_the_circle, "p >= 0 on the set given by 1 equation"),
        (motzkin, "p is not a sum of squares"),
        (negative_value, "p < 0 at (1/2, 1/2)"),
        (
            negative_on_a_set,
            "p < 0 at (-3/5, -3/5) of the set given by 1 inequality and 1 equation",
        ),
    ],
)
def test_the_statement_says_what_is_proved(make, statement):
    assert verify_sos_certificate(make().to_data()).statement == statement


def test_block_sizes_are_those_of_the_matrices():
    sizes = {make: verify_sos_certificate(make().to_data()).block_sizes for make in ALL}
    assert sizes[two_blocks] == (2, 2)
    assert sizes[motzkin] == (4,)
    assert sizes[without_x] == (2,)
    assert sizes[negative_value] == ()


def test_zero_and_constants_have_certificates():
    zero = Polynomial.zero(("x", "y"))
    assert verify_sos_certificate(SosCertificate(polynomial=zero, gram=()).to_data()).valid
    constant = SosCertificate(
        polynomial=Polynomial.constant((), 3), gram=(GramBlock.of([()], [[3]]),)
    )
    assert verify_sos_certificate(constant.to_data()).valid
    minus = Polynomial.constant(("x",), -1)
    assert verify_sos_certificate(NegativeCertificate.of(minus, [0]).to_data()).valid


@st.composite
def sums_of_squares(draw):
    """A basis of up to 5 monomials in 2 variables and Q = F F', F of any rank."""
    rows = st.tuples(st.integers(0, 3), st.integers(0, 3))
    basis = draw(st.lists(rows, min_size=1, max_size=5, unique=True))
    numbers = st.fractions(-3, 3, max_denominator=7)
    rank = draw(st.integers(1, 5))
    factor = [[draw(numbers) for _ in range(rank)] for _ in basis]
    gram = [[sum(map(Fraction.__mul__, u, v)) for v in factor] for u in factor]
    terms: dict[tuple[int, int], Fraction] = {}
    for i, a in enumerate(basis):
        for j, b in enumerate(basis):
            key = (a[0] + b[0], a[1] + b[1])
            terms[key] = terms.get(key, Fraction(0)) + gram[i][j]
    return Polynomial.of(("x", "y"), terms), basis, gram


@settings(deadline=None, max_examples=40)
@given(sums_of_squares())
def test_every_exact_sum_of_squares_is_verified(instance):
    p, basis, gram = instance
    certificate = SosCertificate(polynomial=p, gram=(GramBlock.of(basis, gram),))
    assert verify_sos_certificate(certificate.to_data()).valid


@settings(deadline=None, max_examples=40)
@given(sums_of_squares(), st.data())
def test_no_sum_of_squares_survives_a_changed_entry(instance, data):
    p, basis, gram = instance
    i, j = (data.draw(st.integers(0, len(basis) - 1)) for _ in range(2))
    change = data.draw(st.fractions(-2, 2, max_denominator=10**6).filter(bool))
    changed = [list(row) for row in gram]
    changed[i][j] = changed[j][i] = gram[i][j] + change
    certificate = SosCertificate(polynomial=p, gram=(GramBlock.of(basis, changed),))
    assert "identity" in reasons(certificate)
    monomial = tuple(a + b for a, b in zip(basis[i], basis[j], strict=True))
    other = p + Polynomial.of(("x", "y"), {monomial: change})
    assert "identity" in reasons(
        SosCertificate(polynomial=other, gram=(GramBlock.of(basis, gram),))
    )


# --- forged sums of squares ---------------------------------------------------------------------


@pytest.mark.parametrize("gram", [[[1, 2], [2, 1]], [[0, 1], [1, 0]], [[-1, 0], [0, 1]]])
def test_a_gram_matrix_that_is_not_semidefinite_proves_nothing(gram):
    p = gram[0][0] * X**2 + 2 * gram[0][1] * X * Y + gram[1][1] * Y**2
    block = GramBlock.of([[1, 0], [0, 1]], gram)
    assert reasons(SosCertificate(polynomial=p, gram=(block,))) == ["gram"]


def test_a_deficit_of_one_part_in_a_googol_is_seen():
    small = Fraction(1, 10**100)
    p = X**2 - 2 * X * Y + (1 - small) * Y**2
    block = GramBlock.of([[1, 0], [0, 1]], [[1, -1], [-1, 1 - small]])
    assert reasons(SosCertificate(polynomial=p, gram=(block,))) == ["gram"]


def test_multipliers_must_be_stated_constraints():
    certificate = on_the_disk().to_data()
    for constraints in ([], certificate["constraints"][1:]):
        assert reasons(unsealed(on_the_disk()) | {"constraints": constraints}) == ["multiplier"]


def test_a_product_of_constraints_is_no_multiplier_unless_it_is_listed():
    p = X * Y
    block = GramBlock.of([[0, 0]], [[1]], multiplier=p)
    assert reasons(SosCertificate(polynomial=p, gram=(block,), constraints=(X, Y))) == [
        "multiplier"
    ]
    assert reasons(SosCertificate(polynomial=p, gram=(block,), constraints=(X, Y, p))) == []


def test_the_bound_belongs_to_the_identity():
    for bound in ("-1", "0", "-5/3"):
        assert reasons(unsealed(lower_bound()) | {"bound": bound}) == ["identity"]


def test_an_equality_must_be_balanced():
    data = unsealed(on_the_circle())
    del data["equalities"]
    assert reasons(data) == ["identity"]


def test_an_equality_with_multiplier_zero_adds_nothing():
    equality = Equality(X - Y, Polynomial.zero(("x", "y")))
    certificate = SosCertificate(
        polynomial=(X - Y) ** 2, gram=difference_square().gram, equalities=(equality,)
    )
    assert reasons(certificate) == []


# --- forged refutations -------------------------------------------------------------------------

HIDDEN = X**4 + 4 * X**3 - 8 * X + 4
"""(x^2 + 2x - 2)^2: without x in the basis it would be no sum of squares."""


def test_removing_a_monomial_against_the_rule_proves_nothing():
    forged = NotSosCertificate.of(HIDDEN, inequalities=[], removed=[(1, 0)], functional={(1, 0): 1})
    assert reasons(forged) == ["removed"]
    assert "product of two others" in verify_sos_certificate(forged.to_data()).reasons[0]


def test_removing_a_monomial_whose_square_occurs_proves_nothing():
    forged = NotSosCertificate.of(
        (X - Y) ** 2, inequalities=[], removed=[(1, 0)], functional={(1, 1): 1}
    )
    assert reasons(forged) == ["removed"]


def test_removing_what_is_not_there_proves_nothing():
    for removed in ([[5, 5]], [[1, 0], [5, 5]]):
        assert reasons(unsealed(without_x()) | {"removed": removed}) == ["removed"]


def test_the_order_of_removals_counts():
    # x^8 - x with y^2: x^3 goes only once x^2 has (2 + 4 = 3 + 3), x^2 only once x has (1 + 3).
    p = X**8 - X + Y**2
    rows = [(1, 0), (2, 0), (3, 0)]

    def refuted(order):
        return NotSosCertificate.of(
            p, inequalities=((-1, -1), (1, 4)), removed=order, functional={(1, 0): 1}
        )

    assert reasons(refuted(rows)) == []
    assert reasons(refuted(rows[::-1])) == ["removed"]


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=8))
def test_no_list_of_inequalities_makes_a_square_vanish(normals):
    forged = NotSosCertificate.of(HIDDEN, inequalities=normals, functional={(1, 0): 1})
    assert reasons(forged) == ["moments"]


@settings(deadline=None, max_examples=40)
@given(sums_of_squares(), st.data())
def test_no_functional_refutes_a_sum_of_squares(instance, data):
    p, _, _ = instance
    rows = st.tuples(st.integers(0, 6), st.integers(0, 6))
    numbers = st.fractions(-3, 3, max_denominator=3)
    squares_first = {
        row: abs(v) + 1 for row, v in p.terms().items() if all(e % 2 == 0 for e in row)
    }
    functional = data.draw(st.dictionaries(rows, numbers, max_size=8))
    normals = data.draw(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), max_size=5))
    for values in (
        functional,
        functional | squares_first,
        {row: -v for row, v in p.terms().items()},
    ):
        forged = NotSosCertificate.of(p, inequalities=normals, functional=values)
        assert not verify_sos_certificate(forged.to_data()).valid


@pytest.mark.parametrize("k", range(2))
def test_a_missing_edge_of_the_newton_polytope_lets_monomials_in(k):
    normals = MOTZKIN_NORMALS[:k] + MOTZKIN_NORMALS[k + 1 :]
    assert reasons(unsealed(motzkin()) | {"inequalities": normals}) == ["moments"]


def test_a_missing_removal_lets_a_monomial_in():
    assert reasons(unsealed(without_x()) | {"removed": []}) == ["moments"]


@pytest.mark.parametrize(
    ("values", "failing"),
    [
        ({(2, 2): 1, (4, 2): 1, (2, 4): 1, (0, 0): 1}, ["functional"]),
        ({(2, 2): 2, (4, 2): -1, (2, 4): 1, (0, 0): 1}, ["moments"]),
        ({(2, 2): 2, (3, 3): 1}, ["moments"]),
        ({}, ["functional"]),
    ],
    ids=["zero at p", "negative square", "not semidefinite", "zero"],
)
def test_a_functional_must_be_negative_at_p_and_nonnegative_on_squares(values, failing):
    forged = NotSosCertificate.of(MOTZKIN, inequalities=MOTZKIN_NORMALS, functional=values)
    assert reasons(forged) == failing


def test_an_enumeration_that_takes_too_long_is_not_believed(monkeypatch):
    monkeypatch.setattr("tasks.sos.checker._basis.MAX_NODES", 10)
    verification = verify_sos_certificate(choi_lam().to_data())
    assert not verification.valid
    assert "cannot be checked" in verification.reasons[0]


def test_a_point_must_give_a_negative_value():
    for point in (["1", "1/3"], ["0", "0"]):
        assert reasons(unsealed(negative_value()) | {"point": point}) == ["point"]


def test_a_point_must_lie_in_the_set():
    data = unsealed(negative_on_a_set())
    assert reasons(data | {"point": ["-4/5", "-4/5"]}) == ["point"]
    assert reasons(data | {"point": ["-3/5", "-4/5"]}) == ["point"]
    assert reasons(data | {"point": ["-1", "-4/5"]}) == ["point", "point"]


def test_a_value_too_long_to_compute_is_not_believed():
    p = Polynomial.of(("x",), {(2**30,): 1, (0,): -1})
    assert reasons(NegativeCertificate.of(p, ["1/3"])) == ["point"]
    assert reasons(NegativeCertificate.of(p - 1, [-1])) == []


@pytest.mark.parametrize("power", [10**6, 9 * 10**6])
def test_a_value_of_any_length_is_checked_or_refused(power):
    """x^d + y^d - 1 at (3/7, 5/11), negative; the longer one is refused."""
    p = Polynomial.of(("x", "y"), {(power, 0): 1, (0, power): 1, (0, 0): -1})
    certificate = NegativeCertificate.of(p, ["3/7", "5/11"])
    found = verify_sos_certificate(certificate.to_data())
    assert found.valid or (power > 10**6 and "cannot be checked" in found.reasons[0])


def test_a_basis_of_a_thousand_million_monomials_cannot_be_checked():
    p = Polynomial.of(("x", "y"), {(2**31 - 2, 0): 1, (1, 1): -5, (0, 2**31 - 2): 1})
    forged = NotSosCertificate.of(p, inequalities=[], functional={(1, 1): 1})
    assert "cannot be checked" in verify_sos_certificate(forged.to_data()).reasons[0]


@pytest.mark.parametrize("name", ["x\nvalid", "\x1b[2J", "x^2 - 1)^2*(-1", "\ud800", "é", "1x", ""])
def test_a_name_that_could_be_read_as_something_else_is_refused(name):
    data = unsealed(negative_value())
    data["polynomial"] = data["polynomial"] | {"variables": [name, "y"]}
    with pytest.raises(InputError, match="a list of distinct names of letters") as caught:
        verify_sos_certificate(data)
    assert str(caught.value).isprintable()


def test_the_zero_polynomial_is_not_refuted():
    zero = Polynomial.zero(("x", "y"))
    forged = NotSosCertificate.of(zero, inequalities=[(1, 1)], functional={(0, 0): -1})
    assert reasons(forged) == ["functional"]
    assert reasons(NegativeCertificate.of(zero, [0, 0])) == ["point"]


# --- tampering, field by field ------------------------------------------------------------------


def changed_leaf(value):
    """Other values that a leaf might be given, well-formed ones first."""
    if value is None:
        return [{"exponents": [[0, 0]], "coefficients": ["1"]}, 0]
    if isinstance(value, int):
        return [value + 1, value - 1, str(value), 0.5]
    number = value.lstrip("-").replace("/", "").isdigit()
    if number:
        negated = value[1:] if value.startswith("-") else f"-{value}"
        return [negated, f"1{value.lstrip('-')}", "0", "1/0", "x", 1]
    return [f"{value}2", "", 7]


def tamperings(data, path=()):
    """(path, changed copy) for every single change of a leaf, list or object."""
    inner = data
    for key in path:
        inner = inner[key]
    if isinstance(inner, dict | list):
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        for key in keys:
            yield (*path, key, "dropped"), edited(data, path, lambda x, k=key: x.pop(k))
            yield from tamperings(data, (*path, key))
        if isinstance(inner, list):
            if inner:
                yield (*path, "doubled"), edited(data, path, lambda x: x.append(x[-1]))
        else:
            yield (*path, "added"), edited(data, path, lambda x: x.update(other="1"))
        return
    for number, other in enumerate(changed_leaf(inner)):
        last = path[-1]

        def assign(x, last=last, other=other):
            x[last] = other

        yield (*path, number), edited(data, path[:-1], assign)


def edited(data, path, change):
    copied = inner = copy.deepcopy(data)
    for key in path:
        inner = inner[key]
    change(inner)
    return copied


def is_rejected(data) -> bool:
    try:
        return not verify_sos_certificate(data).valid
    except InputError as error:
        assert "\n" not in str(error)
        return True


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_every_change_of_a_finished_file_is_noticed(make):
    data = json.loads(make().to_json())
    changes = [
        (path, changed) for path, changed in tamperings(data) if path != ("sha256", "dropped")
    ]
    assert len(changes) > 40
    assert [path for path, changed in changes if not is_rejected(changed)] == []


def is_harmless(path) -> bool:
    """Changes that leave another true statement with its proof."""
    unused = path[:2] == ("constraints", 1) or path == ("constraints", "doubled")
    return unused or path[0] == "provenance" or path[:2] == ("polynomial", "variables")


@pytest.mark.parametrize("make", SUMS, ids=lambda make: make.__name__)
def test_every_change_of_a_sum_of_squares_is_refuted_by_the_mathematics(make):
    data = json.loads(json.dumps(unsealed(make())))
    accepted = [path for path, changed in tamperings(data) if not is_rejected(changed)]
    assert [path for path in accepted if not is_harmless(path)] == []


@pytest.mark.parametrize("make", REFUTATIONS, ids=lambda make: make.__name__)
def test_changes_of_the_polynomial_or_the_functional_are_believed_only_if_true(make):
    # What is believed has p(1, ..., 1) < 0 or the same support and signs as the original.
    data = json.loads(json.dumps(unsealed(make())))
    original = data["polynomial"]["coefficients"]
    for path, changed in tamperings(data):
        if path[0] != "polynomial" or is_rejected(changed):
            continue
        after = [Fraction(c) for c in changed["polynomial"]["coefficients"]]
        same_signs = [c > 0 for c in after] == [not c.startswith("-") for c in original]
        assert same_signs or sum(after) < 0 or min(after) < 0, path


# --- form ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "regular T-curve"}, "its kind is 'regular T-curve', version 1; known is"),
        ({"version": 2}, "version 2; known is 'sos-certificate', version 1"),
        ({"version": True}, "version True"),
        ({"claim": "true"}, "claim is 'true': it must be one of sos, not_sos, negative"),
        ({"claim": ["sos"]}, "claim is"),
        ({"claim": "negative"}, "missing or unknown keys: gram, point"),
        ({"extra": 1}, "missing or unknown keys: extra"),
        ({"gram": {}}, "gram: {} must be a list"),
        ({"polynomial": []}, "polynomial is []: it must be an object"),
        ({"provenance": {"a": 1}}, "provenance is"),
        ({"sha256": 7}, "sha256 is 7"),
        ({"bound": 0.5}, "bound: 0.5 must be a fraction as text"),
        ({"bound": "1" * 100_001}, "more than 100000 digits"),
        ({"constraints": [{"exponents": [[-1, 0]], "coefficients": ["1"]}]}, "2 exponents"),
        ({"constraints": [{"exponents": [[True, 0]], "coefficients": ["1"]}]}, "2 exponents"),
        ({"constraints": [{"exponents": [[1, 0]] * 2, "coefficients": ["1"] * 2}]}, "given twice"),
        ({"constraints": [{"exponents": [[1, 0]], "coefficients": []}]}, "1 exponents, but 0"),
        ({"constraints": [{"exponents": [[1, 0]], "coefficients": ["0"]}]}, "is 0, which is left"),
        ({"gram": [{"multiplier": None, "basis": [[1, 0]], "entries": [[0, 1, "1"]]}]}, "j <= i"),
        ({"gram": [{"multiplier": None, "basis": [[1, 0]], "entries": [[0, 0]]}]}, "j <= i"),
        (
            {"gram": [{"multiplier": None, "basis": [[1, 0]], "entries": [[0, 0, "1"]] * 2}]},
            "given twice",
        ),
        (
            {
                "gram": [
                    {
                        "multiplier": {"exponents": [], "coefficients": []},
                        "basis": [],
                        "entries": [],
                    }
                ]
            },
            "its multiplier is 0",
        ),
    ],
)
def test_what_is_no_certificate_is_one_line(change, message):
    with pytest.raises(InputError) as caught:
        verify_sos_certificate(unsealed(difference_square()) | change)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("data", [None, [], "text", 7, {}])
def test_other_values_are_no_certificates(data):
    with pytest.raises(InputError):
        verify_sos_certificate(data)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not JSON"),
        (b"\x89PNG\xff", "it is not a text file"),
        (b"[1]", "it is not a JSON object"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b'{"a": 1.5}', "1.5 is not an integer; fractions are texts"),
        (b'{"a": NaN}', "NaN is not an integer"),
        (b'{"a":' * 100_000, "nested too deep"),
        (b'{"a": ' + b"1" * 5000 + b"}", "it is not JSON as expected"),
    ],
    ids=["empty", "binary", "list", "twice", "float", "nan", "deep", "long integer"],
)
def test_what_is_no_json_object_is_one_line(tmp_path, content, message):
    file = tmp_path / "certificate.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match="is no certificate") as caught:
        read_certificate_data(file)
    assert message in str(caught.value)


def test_files_beyond_the_limit_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.sos.checker._values.MAX_FILE_BYTES", 10)
    file = tmp_path / "certificate.json"
    file.write_text(difference_square().to_json())
    with pytest.raises(InputError, match="more than 10 bytes"):
        read_certificate_data(file)


# --- squares ------------------------------------------------------------------------------------


def test_squares_are_primitive_with_positive_weights():
    [square] = squares(difference_square().to_data())
    assert (square.weight, square.polynomial, square.multiplier) == (1, "x - y", "")
    assert [str(s) for s in squares(two_blocks().to_data())] == [
        "1/6*(2*x^2 - y)^2",
        "3/25*(5*x*y + 1)^2",
        "7*(1)^2",
    ]


def test_squares_are_printed_with_bound_multiplier_and_equality():
    assert squares_text(lower_bound().to_data()) == "p + 5/4 =\n    1/4*(2*x^2 - 3)^2"
    assert squares_text(on_the_disk().to_data()).splitlines() == [
        "p =",
        "    1/2*(x + 1)^2",
        "  + (1)^2",
        "  + 1/2*(y)^2",
        "  + 1/2*(1)^2*(-x^2 - y^2 + 1)",
    ]
    assert squares_text(on_the_circle().to_data()).endswith("\n  + (x^2 + y^2 - 1)*(-1/2)")


def test_refutations_and_points_have_no_squares():
    for make in (*REFUTATIONS, *POINTS):
        assert (squares(make().to_data()), squares_text(make().to_data())) == ([], "")


@settings(deadline=None, max_examples=40)
@given(sums_of_squares())
def test_the_printed_squares_add_up_to_the_polynomial(instance):
    from tasks.sos.polynomials.parsing import parse_polynomial

    p, basis, gram = instance
    certificate = SosCertificate(polynomial=p, gram=(GramBlock.of(basis, gram),))
    found = squares(certificate.to_data())
    total = Polynomial.zero(p.variables)
    for square in found:
        assert square.weight > 0
        total += parse_polynomial(square.polynomial, p.variables) ** 2 * square.weight
    assert total == p


# --- independence -------------------------------------------------------------------------------


def test_the_checker_imports_the_standard_library_and_itself_only():
    folder = Path(checker.__file__).parent
    files = list(folder.glob("*.py"))
    assert len(files) == 8
    own = {f"tasks.sos.checker.{file.stem}" for file in files}
    own |= {"tasks.records", "tasks.records.errors"}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            assert all(n in own or n.split(".")[0] in sys.stdlib_module_names for n in names), file


def test_the_choi_lam_quartic_is_refuted_by_its_uncovered_monomial():
    verification = verify_sos_certificate(choi_lam().to_data())
    assert verification.block_sizes == (4,)
    assert CHOI_LAM.coefficient((1, 1, 1, 1)) == -4
