"""Faces of singular principal submatrices that the equations determine."""

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from planted import planted

from tasks.records import stream
from tasks.sos import parse_polynomial
from tasks.sos.certify import Settings, certify
from tasks.sos.checker.verification import verify_sos_certificate
from tasks.sos.gram.facial import face_of, identity_face
from tasks.sos.gram.problem import GramProblem
from tasks.sos.proofs.determined import (
    Determined,
    complements_of_determined,
    determined_entries,
    determined_on_face,
)

BASIS = np.array([[2, 0], [1, 1], [0, 2], [1, 0], [0, 1], [0, 0]], dtype=np.int32)


def problem():
    return GramProblem.of(parse_polynomial("(3*x^2 - 5*x*y)^2 + 7*y^4 + x^2 + y^2 + 1"), [BASIS])


def test_entries_alone_in_their_class_are_known():
    [found] = determined_entries(problem())
    assert found.is_known[:2, :2].tolist() == [[True, True], [True, False]]  # x^2 y^2 is shared
    assert found.values[0, 0] == 9
    assert found.values[0, 1] == found.values[1, 0] == -15
    assert not found.is_known[3, 3]  # x * x = x^2 * 1


def test_on_a_face_entries_without_parameters_are_known():
    gram_problem = problem()
    face = face_of(gram_problem, [identity_face(6)])
    [found] = determined_on_face(face)
    [direct] = determined_entries(gram_problem)
    assert np.array_equal(found.is_known, direct.is_known)
    known = np.argwhere(found.is_known).tolist()
    assert all(found.values[i, j] == direct.values[i, j] for i, j in known)


def known_block(rows):
    size = len(rows)
    values = fmpq_mat(size, size, [fmpq(v) for row in rows for v in row])
    return Determined(np.ones((size, size), dtype=bool), values)


def test_the_complement_is_orthogonal_to_the_exact_kernel():
    # The kernel of the leading submatrix is (5, 3).
    block = known_block([[9, -15, 0], [-15, 25, 0], [0, 0, 1]])
    rough = np.array([[5.0], [3.0], [0.0]]) + 1e-6
    [complement] = complements_of_determined([block], [[rough]])
    assert (complement.nrows(), complement.ncols()) == (3, 2)
    columns = complement.transpose().tolist()
    assert all(5 * column[0] + 3 * column[1] == 0 for column in columns)


@pytest.mark.parametrize("rough", [np.zeros((2, 0)), np.array([[1.0], [0.0]])])
def test_definite_submatrices_give_no_face(rough):
    assert complements_of_determined([known_block([[2, 1], [1, 2]])], [[rough]]) is None


def test_unknown_entries_give_no_face():
    block = known_block([[1, 1], [1, 1]])
    block.is_known[0, 1] = block.is_known[1, 0] = False
    rough = np.array([[1.0], [-1.0]])
    assert complements_of_determined([block], [[rough]]) is None


@pytest.mark.parametrize(
    ("grid", "index"),
    [((4, 6, 20), 4), ((4, 6, 20), 10), ((6, 12, 30), 1), ((6, 12, 30), 24), ((8, 20, 30), 31)],
    ids=str,
)
def test_problems_without_strict_complementarity_are_proved(grid, index):
    names = (*map(str, grid), "sparse", index)
    p = planted(*grid, "sparse", stream(7, "planted proofs", *names)).polynomial
    found = certify(p, Settings(seconds=60))
    assert found.verdict.value == "proved"
    assert found.certificate is not None
    assert verify_sos_certificate(found.certificate.to_data()).valid
