"""Forest codes against string manipulation."""

from hypothesis import given
from hypothesis import strategies as st

from gpu import reference
from gpu.forests import merge, num_nodes, plant


def forests(max_nodes: int) -> st.SearchStrategy[int]:
    """Canonical codes of random forests, grown node by node."""
    steps = st.lists(st.booleans(), max_size=max_nodes)
    return steps.map(_grow)


def _grow(steps: list[bool]) -> int:
    code = 0
    for put_below in steps:
        code = (
            reference.merge(int(f"1{code:b}0" if code else "10", 2), 0)
            if put_below
            else (reference.merge(code, 0b10))
        )
    return code


@given(forests(15), forests(15))
def test_merging_equals_sorting_the_trees_as_strings(a: int, b: int) -> None:
    assert merge(a, b) == reference.merge(a, b)


@given(forests(10), forests(10), forests(10))
def test_merging_is_commutative_and_associative(a: int, b: int, c: int) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(forests(30))
def test_planting_adds_one_node_around_everything(code: int) -> None:
    tree = plant(code)
    assert num_nodes(tree) == num_nodes(code) + 1
    assert f"{tree:b}" == f"1{code:b}0" if code else tree == 0b10


def test_31_nodes_fit_a_word() -> None:
    nest = wide = 0
    for _ in range(31):
        nest, wide = plant(nest), merge(wide, 0b10)
    assert num_nodes(nest) == num_nodes(wide) == 31
    assert nest == int("1" * 31 + "0" * 31, 2)
    assert wide == int("10" * 31, 2)
