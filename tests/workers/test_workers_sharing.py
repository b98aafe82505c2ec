"""Values that items share: each is read and shipped once, in the order in which items name them."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from tasks.records.errors import InputError
from workers import ResourceProfile, SerialExecutor, WorkItem, map_batches

from sharing_functions import (  # isort: skip
    add_all,
    describe_array,
    die_once_then_add,
)

with_and_without_warm_workers = pytest.mark.parametrize(
    "warm", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "warm"]
)


class Asked(Mapping):
    """Values that count how often they are asked for."""

    def __init__(self, values: Mapping) -> None:
        self.values_by_name = values
        self.times: Counter = Counter()

    def __getitem__(self, name: str) -> object:
        self.times[name] += 1
        return self.values_by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


@pytest.fixture(params=["serial", pytest.param("ray", marks=pytest.mark.ray)])
def executor(request):
    return SerialExecutor() if request.param == "serial" else request.getfixturevalue("local_ray")


def values_of(outcomes):
    found = {outcome.key: (outcome.value, outcome.error) for outcome in outcomes}
    assert all(error is None for _, error in found.values())
    return {key: value for key, (value, _) in found.items()}


@with_and_without_warm_workers
def test_a_call_gets_the_values_that_its_item_names_behind_the_payload(executor, warm):
    items = [
        WorkItem("none", "a"),
        WorkItem("one", "a", ("x",)),
        WorkItem("both", "a", ("y", "x")),
    ]
    found = map_batches(
        add_all, items, executor=executor, shared={"x": "1", "y": "2", "z": "3"}, warm=warm
    )
    assert values_of(found) == {"none": "a", "one": "a1", "both": "a21"}


@with_and_without_warm_workers
def test_an_item_that_needs_what_is_not_shared_is_refused(executor, warm):
    items = [WorkItem("a", "", ("w",))]
    with pytest.raises(InputError, match="item a needs 'w', but shared is x, y"):
        list(map_batches(add_all, items, executor=executor, shared={"y": "", "x": ""}, warm=warm))


def test_without_shared_values_nothing_can_be_named(executor):
    with pytest.raises(InputError, match="item a needs 'w', but shared is nothing"):
        list(map_batches(add_all, [WorkItem("a", "", ("w",))], executor=executor))


@pytest.mark.ray
@with_and_without_warm_workers
def test_a_shared_value_is_asked_for_once_and_an_unneeded_one_never(local_ray, warm):
    shared = Asked({"x": "1", "y": "2"})
    items = [WorkItem(str(n), str(n), ("x",)) for n in range(8)]
    found = values_of(map_batches(add_all, items, executor=local_ray, shared=shared, warm=warm))
    assert found == {str(n): f"{n}1" for n in range(8)}
    assert shared.times == {"x": 1}


@pytest.mark.ray
def test_an_array_is_read_where_it_lies(local_ray):
    shared = {"x": np.arange(10**6, dtype=np.uint8)}
    items = [WorkItem(str(n), None, ("x",)) for n in range(2)]
    found = values_of(map_batches(describe_array, items, executor=local_ray, shared=shared))
    # Writable memory would be a copy of the call's own.
    expected = {"sum": int(shared["x"].sum()), "writeable": False, "owns": False}
    assert found == {"0": expected, "1": expected}


@pytest.mark.ray
def test_a_call_that_is_made_again_gets_the_values_again(local_ray, tmp_path):
    item = WorkItem("a", str(tmp_path / "died"), ("x",))
    [outcome] = map_batches(
        die_once_then_add,
        [item],
        executor=local_ray,
        profile=ResourceProfile(cpus=1),
        shared={"x": "1"},
    )
    assert (outcome.value, outcome.attempts) == ("again 1", 2)


@pytest.mark.ray
def test_values_larger_than_the_object_store_are_shared_too(local_ray):
    # The session's store has 200 MB.
    shared = {str(n): np.full(90 * 10**6, n, dtype=np.uint8) for n in range(3)}
    items = [WorkItem(name, None, (name,)) for name in shared]
    found = values_of(map_batches(describe_array, items, executor=local_ray, shared=shared))
    assert {key: value["sum"] // 90 // 10**6 for key, value in found.items()} == {
        "0": 0,
        "1": 1,
        "2": 2,
    }


@pytest.mark.ray
def test_a_value_that_cannot_be_pickled_is_named(local_ray):
    items = [WorkItem("a", "", ("x",))]
    generator = (n for n in range(3))
    with pytest.raises(InputError, match="shared value x cannot be sent to a worker"):
        list(map_batches(add_all, items, executor=local_ray, shared={"x": generator}))
