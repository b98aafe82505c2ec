"""Memory of passes through the blocks, by PyTorch's own record, and what is said before a run."""

import pytest
import torch
from language_models import llama, small_config, write_folder_of
from test_pruning_language_models import peak_bytes

from tasks.pruning.language.expectations import estimate_of, memory_line
from tasks.pruning.language.items import prune_items
from tasks.pruning.language.making.block_work import PruningWork
from tasks.pruning.language.making.by_block import BlockPass
from tasks.pruning.language.making.unfinished_models import UnfinishedModel
from tasks.pruning.language.models.blocks import LanguageModel
from tasks.pruning.language.models.folders import ModelFolder

WIDTH, BETWEEN = 64, 128


def peak_of_pruning(folder, blocks, criterion):
    """Peak of pruning a model of so many blocks; bytes of a block, of states, of Gram matrices."""
    sizes = {"hidden_size": WIDTH, "intermediate_size": BETWEEN, "num_hidden_layers": blocks}
    place = write_folder_of(llama(**sizes, head_dim=16), folder / f"{blocks}")
    opened = ModelFolder.open(place)
    config = small_config(place, "x", "y", criteria=[criterion], layer_errors=False)
    model = LanguageModel.open(opened)
    tokens = torch.randint(0, 256, (16, 64))
    types = {name: where.dtype for name, where in opened.places.items()}
    work = PruningWork(model, prune_items(config)[0], 0)
    unfinished = UnfinishedModel(str(folder), f"key-{blocks}", "origin")
    mapped = (place / "model.safetensors").stat().st_size
    peak = peak_bytes(lambda: BlockPass(model, tokens, types, 1).walk(work, unfinished), mapped)
    first = [where for name, where in opened.places.items() if name.startswith("model.layers.0.")]
    block = 4 * sum(torch.Size(where.shape).numel() for where in first)
    # Queries, keys and values share one matrix, gate and up another.
    return peak, block, 4 * tokens.numel() * WIDTH, 8 * (3 * WIDTH**2 + BETWEEN**2)


@pytest.mark.parametrize("criterion", ["magnitude", "wanda"])
def test_pruning_takes_three_blocks_two_copies_of_states_and_gram_matrices(tmp_path, criterion):
    few, block, states, grams = peak_of_pruning(tmp_path, 4, criterion)
    many, *_ = peak_of_pruning(tmp_path, 16, criterion)
    assert block + states < few <= 3 * block + 2 * states + grams
    assert many <= 1.1 * few


def test_what_thirty_billion_parameters_take_is_said_from_their_config_alone():
    from transformers import OPTConfig

    config = OPTConfig(
        hidden_size=7168, ffn_dim=28672, num_hidden_layers=48, num_attention_heads=56,
        word_embed_proj_dim=7168, vocab_size=50272,
    )  # fmt: skip
    settings = small_config("x", "y", "z", context=2048, calibration=128, batch_size=1)
    line = memory_line(estimate_of(config, settings))
    assert line.startswith("29,974.5 M parameters; at most")
    assert "111.7 GiB to measure and retrain few of them" in line  # float32, on the CPU
