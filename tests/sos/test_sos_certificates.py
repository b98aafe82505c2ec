"""Certificate files say what they are made from, are read back the same, and are written whole."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from certificate_examples import ALL, SUMS, X, Y, difference_square, motzkin, two_blocks
from flint import fmpq, fmpq_mat

from tasks.records import InputError, StoreError
from tasks.sos.certificates import (
    GramBlock,
    NegativeCertificate,
    NotSosCertificate,
    SosCertificate,
    parse_sos_certificate,
    read_sos_certificate,
)
from tasks.sos.polynomials.polynomial import Polynomial


def represented(certificate: SosCertificate) -> Polynomial:
    """The right hand side of the identity, by the prover's polynomials."""
    total = Polynomial.zero(certificate.polynomial.variables)
    for block in certificate.gram:
        monomials = [Polynomial.of(total.variables, {row: 1}) for row in block.basis]
        gram = block.gram
        part = Polynomial.zero(total.variables)
        for i, z in enumerate(monomials):
            for j, w in enumerate(monomials):
                part += z * w * gram[i, j]
        total += part if block.multiplier is None else part * block.multiplier
    for equality in certificate.equalities:
        total += equality.polynomial * equality.multiplier
    return total


@pytest.mark.parametrize("make", SUMS, ids=lambda make: make.__name__)
def test_the_examples_are_identities(make):
    certificate = make()
    assert represented(certificate) == certificate.polynomial - (certificate.bound or 0)


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_a_certificate_that_was_written_is_read_back(make, tmp_path):
    certificate = make()
    file = tmp_path / "folder" / "certificate.json"
    certificate.write(file)
    assert read_sos_certificate(file) == certificate
    assert file.read_text() == certificate.to_json() == read_sos_certificate(file).to_json()
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_a_file_is_one_object_with_kind_version_and_claim(make):
    data = json.loads(make().to_json())
    assert (data["kind"], data["version"]) == ("sos-certificate", 1)
    assert data["claim"] == make().claim
    assert data == make().to_data()


def test_exact_numbers_of_every_kind_give_the_same_block():
    texts = GramBlock.of([[1, 0], [0, 1]], [["3/2", "-1/2"], ["-0.5", 1]])
    fractions = [[Fraction(3, 2), Fraction(-1, 2)], [fmpq(-1, 2), 1.0]]
    matrix = fmpq_mat(2, 2, [fmpq(3, 2), fmpq(-1, 2), fmpq(-1, 2), fmpq(1)])
    assert texts == GramBlock.of([(1, 0), (0, 1)], fractions)
    assert texts == GramBlock.of([[1, 0], [0, 1]], matrix)
    assert texts.gram == matrix


def test_entries_are_the_nonzero_lower_triangle():
    block = GramBlock.of([[2], [1], [0]], [[1, 0, "-1/3"], [0, 0, 0], ["-1/3", 0, 2]])
    assert block.to_data()["entries"] == [[0, 0, "1"], [2, 0, "-1/3"], [2, 2, "2"]]


def test_zero_values_of_a_functional_are_left_out():
    certificate = NotSosCertificate.of(X, inequalities=[], functional={(1, 0): -1, (0, 0): 0})
    assert certificate.functional == (((1, 0), fmpq(-1)),)


@pytest.mark.parametrize(
    ("basis", "gram", "message"),
    [
        ([[1, 0]], [[1, 0], [0, 1]], "a Gram matrix of 2 rows for 1 monomials"),
        ([[1, 0], [0, 1]], [[1, 0], [0]], "a Gram matrix of 2 rows for 2 monomials"),
        ([[1, 0], [0, 1]], [[1, 1], [0, 1]], "not symmetric"),
        ([[1, 0]], [[float("nan")]], "no rational number"),
        ([1, 0], [[1, 0], [0, 1]], "give integers of shape"),
    ],
    ids=["size", "ragged", "asymmetric", "nan", "flat basis"],
)
def test_what_is_no_gram_matrix_is_refused(basis, gram, message):
    with pytest.raises(InputError, match=message):
        GramBlock.of(basis, gram)


def test_numbers_of_more_digits_than_python_converts_survive(tmp_path):
    huge = fmpq(10**6000 + 7, 3**9000)
    p = (X - Y) ** 2 * huge
    certificate = SosCertificate(
        polynomial=p, gram=(GramBlock.of([[1, 0], [0, 1]], [[huge, -huge], [-huge, huge]]),)
    )
    certificate.write(tmp_path / "huge.json")
    assert read_sos_certificate(tmp_path / "huge.json") == certificate


def test_a_changed_file_is_not_read(tmp_path):
    file = tmp_path / "certificate.json"
    difference_square().write(file)
    file.write_text(file.read_text().replace('"-2"', '"-1"'))
    with pytest.raises(InputError, match=r"certificate.json: .* was changed since it was written"):
        read_sos_certificate(file)


def test_notes_change_the_digest_and_nothing_else():
    plain, noted = two_blocks().with_provenance({}).to_data(), two_blocks().to_data()
    assert noted.pop("provenance") == {"solver": "hand"}
    assert plain.pop("sha256") != noted.pop("sha256")
    assert plain == noted


def test_a_foreign_certificate_without_digest_is_read():
    data = motzkin().to_data()
    del data["sha256"]
    assert parse_sos_certificate(data) == motzkin()


def test_an_unwritable_folder_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write certificate"):
        difference_square().write(tmp_path / "file" / "x.json")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    file = tmp_path / "certificate.json"
    difference_square().write(file)
    before = file.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        two_blocks().write(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_point_is_taken_exactly():
    certificate = NegativeCertificate.of(X - Y, [0.1, "0.1"])
    assert certificate.point == (fmpq(*(0.1).as_integer_ratio()), fmpq(1, 10))


def test_certificates_are_values():
    assert {make() for make in ALL} == {make() for make in ALL}
    assert replace(difference_square(), bound=fmpq(0)) != difference_square()
