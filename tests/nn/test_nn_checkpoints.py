"""Checkpoints: exact resume, whole files, names by content."""

import json

import numpy as np
import pytest
import torch
import toy_training as toy

from tasks.nn import (
    DamagedFileError,
    load_checkpoint,
    load_tensors,
    save_checkpoint,
    save_tensors,
    store_checkpoint,
    store_tensors,
)
from tasks.records import InputError, StoreError


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "amsgrad"])
@pytest.mark.parametrize("stop", [0, 1, 6])
def test_a_resumed_training_ends_in_the_same_weights(tmp_path, optimizer, stop):
    whole = toy.train(toy.new_state(1, optimizer), 12)
    save_checkpoint(tmp_path / "c.safetensors", toy.train(toy.new_state(1, optimizer), stop))
    state = toy.new_state(99, optimizer)
    load_checkpoint(tmp_path / "c.safetensors", state)
    assert state.step == stop
    assert toy.same(toy.weights(toy.train(state, 12)), toy.weights(whole))


def test_a_resumed_training_saves_the_same_checkpoint(tmp_path):
    whole = store_checkpoint(tmp_path, toy.train(toy.new_state(), 8))
    path = store_checkpoint(tmp_path, toy.train(toy.new_state(), 3))
    state = toy.new_state()
    load_checkpoint(path, state)
    assert store_checkpoint(tmp_path, toy.train(state, 8)) == whole


def test_extra_entries_come_back(tmp_path):
    extra = {"parents": ["a", "b"], "seed": 3, "accuracy": 0.5}
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, toy.new_state(), extra)
    assert load_checkpoint(path, toy.new_state()) == extra
    assert load_tensors(path).extra["extra"] == extra


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([True, False]),
        torch.arange(6, dtype=torch.int64).reshape(2, 3).T,
        torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        torch.tensor(2.5, dtype=torch.float64),
        torch.zeros(0, 3),
        torch.randn(3).to(torch.bfloat16),
    ],
    ids=["bool", "transposed", "channels_last", "scalar", "empty", "bfloat16"],
)
def test_tensors_of_any_kind_come_back(tmp_path, tensor):
    save_tensors(tmp_path / "t.safetensors", {"x": tensor})
    back = load_tensors(tmp_path / "t.safetensors").tensors["x"]
    assert back.dtype == tensor.dtype and torch.equal(back, tensor)


def test_tensors_that_share_memory_come_back(tmp_path):
    tensor = torch.randn(4)
    save_tensors(tmp_path / "t.safetensors", {"a": tensor, "b": tensor[:2]})
    back = load_tensors(tmp_path / "t.safetensors").tensors
    assert torch.equal(back["a"], tensor) and torch.equal(back["b"], tensor[:2])


def test_a_mask_takes_one_byte_per_weight(tmp_path):
    path = store_tensors(tmp_path, {"mask": torch.ones(1000, 100, dtype=torch.bool)})
    assert path.stat().st_size < 100_000 + 1_000


def test_equal_content_has_equal_names_whatever_the_order(tmp_path):
    a, b = torch.ones(2), torch.zeros(3)
    first = store_tensors(tmp_path, {"a": a, "b": b}, {"x": 1, "y": 2})
    content = first.read_bytes()
    assert store_tensors(tmp_path, {"b": b, "a": a}, {"y": 2, "x": 1}) == first
    assert first.read_bytes() == content


@pytest.mark.parametrize("extra", [{"x": 2}, {"x": 1, "y": 0}])
def test_other_content_has_another_name(tmp_path, extra):
    a = torch.ones(2)
    first = store_tensors(tmp_path, {"a": a}, {"x": 1})
    assert store_tensors(tmp_path, {"a": a}, extra) != first
    assert store_tensors(tmp_path, {"a": a + 1}, {"x": 1}) != first
    assert store_tensors(tmp_path, {"a": a[None]}, {"x": 1}) != first


@pytest.mark.parametrize("bit", [0, 5, 7])
def test_whichever_byte_is_changed_the_file_is_refused_as_damaged(tmp_path, bit):
    """Also in the header, where names of entries stand that are looked for."""
    save_tensors(tmp_path / "a", {"w": torch.randn(2, 3)}, {"a": 1.5, "b": ["x"]})
    content = np.fromfile(tmp_path / "a", dtype=np.uint8)
    for place in range(len(content)):
        changed = content.copy()
        changed[place] ^= 1 << bit
        with pytest.raises(DamagedFileError):
            load_tensors(tmp_path / "a", changed)


def test_a_flipped_bit_is_found(tmp_path):
    path = store_tensors(tmp_path, {"a": torch.ones(50)})
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        load_tensors(path)


@pytest.mark.parametrize("keep", [0, 7, 60, -1])
def test_a_cut_file_is_refused(tmp_path, keep):
    path = store_tensors(tmp_path, {"a": torch.ones(50)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match=r"no checkpoint of latticework"):
        load_tensors(path)


def test_a_file_of_another_program_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(StoreError, match="no checkpoint of latticework"):
        load_tensors(tmp_path / "a.safetensors")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"none\.safetensors"):
        load_tensors(tmp_path / "none.safetensors")


def test_a_failed_save_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    digest = save_checkpoint(path, toy.new_state())

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(StoreError, match="free space"):
        save_checkpoint(path, toy.train(toy.new_state(), 2))
    monkeypatch.undo()
    assert load_tensors(path).digest == digest
    assert list(tmp_path.iterdir()) == [path]


def test_another_architecture_is_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, toy.train(toy.new_state(), 2))
    state = toy.new_state()
    state.model[4] = torch.nn.Linear(8, 2)
    before = toy.weights(state)
    with pytest.raises(InputError, match=r"4\.bias has shape \(1,\)"):
        load_checkpoint(path, state)
    assert toy.same(before, toy.weights(state)) and state.step == 0


def test_another_optimizer_is_refused_and_nothing_changes(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, toy.train(toy.new_state(), 2))
    state = toy.new_state(optimizer="adamw")
    before = toy.weights(state)
    with pytest.raises(InputError, match="another optimizer"):
        load_checkpoint(path, state)
    assert toy.same(before, toy.weights(state))


def test_tensors_alone_are_no_training_state(tmp_path):
    save_tensors(tmp_path / "t.safetensors", {"a": torch.ones(1)})
    with pytest.raises(InputError, match="no training state"):
        load_checkpoint(tmp_path / "t.safetensors", toy.new_state())


def test_the_header_is_json_that_other_programs_can_read(tmp_path):
    path = store_tensors(tmp_path, {"a": torch.ones(1)}, {"x": 1})
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert json.loads(header["__metadata__"]["latticework"])["extra"] == {"x": 1}
