"""Tokens of documents, windows, batches, perplexity and the tokenizer of bytes."""

import math
import sys
from dataclasses import replace
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tasks.nn.data.documents import Documents
from tasks.nn.data.text import Text, TextBatches
from tasks.nn.fitting import FitPlan, fit
from tasks.nn.schedules import Constant
from tasks.nn.training import TrainingState, seeded_generator, sgd
from tasks.pruning.language.texts import perplexity as perplexities
from tasks.pruning.language.texts.byte_tokenizer import byte_tokenizer, save_byte_tokenizer
from tasks.pruning.language.texts.perplexity import (
    Perplexity,
    nll_of_logits,
    nll_of_windows,
    perplexity,
    token_loss,
)
from tasks.pruning.language.texts.tokens import (
    TokenBatches,
    Tokens,
    calibration_windows,
    check_lengths,
    windows,
)
from tasks.records import InputError

transformers = pytest.importorskip("transformers")
TEXTS = Documents("notes", ("one", "two é"), ("three ☃",) * 3, ("four",), ("five",))
BYTES = byte_tokenizer()


class Fixed(nn.Module):
    """Logits by token, as a tensor."""

    def __init__(self, logits):
        super().__init__()
        self.table = nn.Parameter(logits)
        self.sizes = []

    def forward(self, tokens):
        self.sizes.append(len(tokens))
        return self.table[tokens]


class Words:
    """A tokenizer without transformers: words by length, and two ways to end a text."""

    def __init__(self, vocabulary=None, eos_token_id=None):
        self.vocabulary = vocabulary
        self.eos_token_id = eos_token_id

    def encode(self, text, add_special_tokens=True):
        assert not add_special_tokens
        return [99] if text == "\n\n" else [len(word) for word in text.split()]

    def get_vocab(self):
        return self.vocabulary or {}


@pytest.fixture(scope="module")
def llama():
    """A model of random weights whose predictions are far from uniform."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=256, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, initializer_range=0.5,
    )  # fmt: skip
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def drawn(*shape, seed=0, most=256):
    return torch.randint(most, shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40)
@given(st.text())
def test_any_text_is_its_bytes_and_is_decoded_to_itself(text):
    tokens = BYTES.encode(text, add_special_tokens=False)
    assert tokens == list(text.encode())
    assert BYTES.decode(tokens) == text


@pytest.mark.parametrize("kind", ["", "LlamaConfig", "GPT2Config", "OPTConfig"])
def test_the_tokenizer_of_bytes_is_found_in_a_folder_of_any_model(tmp_path, kind):
    if kind:
        getattr(transformers, kind)(vocab_size=256).save_pretrained(tmp_path)
    save_byte_tokenizer(tmp_path)
    found = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    text = " two  blanks\n\n\ttab it 's é ☃ 𝒳 \x00 <|endoftext|> </s> . end "
    for options in ({}, {"add_special_tokens": False}):
        assert found.encode(text, **options) == list(text.encode())
    assert found.decode(found.encode(text)) == text
    assert len(found) == 256 and found.eos_token_id is None


@pytest.mark.parametrize("missing", ["transformers", "tokenizers"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"extra language: pip install 'latticework\[language\]'"):
        byte_tokenizer()


def test_documents_are_joined_by_the_end_of_text():
    joined = [list("\n\n".join(part).encode()) for part in TEXTS.parts().values()]
    found = Tokens.of(TEXTS, BYTES)
    assert [part.tolist() for part in found.parts.values()] == joined
    assert found.calibration.dtype == torch.int32 and found.name == "notes"
    assert found.largest == max(map(max, joined))
    for tokenizer, between in (
        (Words(), 99),
        (Words(eos_token_id=7), 7),
        (Words({"<|endoftext|>": 0}, eos_token_id=7), 0),
    ):
        tokens = Tokens.of(TEXTS, tokenizer)
        assert tokens.calibration.tolist() == [3, between, 3, 1]
        assert tokens.training.tolist() == [5, 1, between, 5, 1, between, 5, 1]
    many = replace(TEXTS, training=tuple(f"number {n}" for n in range(150)))
    expected = "\n\n".join(many.training).encode()
    assert Tokens.of(many, BYTES).training.tolist() == list(expected)


def test_digests_tell_parts_apart():
    found = Tokens.of(TEXTS, BYTES)
    assert found.digest() == Tokens.of(TEXTS, BYTES).digest()
    swapped = replace(found, validation=found.evaluation, evaluation=found.validation)
    assert swapped.digest() != found.digest()


def test_windows_do_not_overlap_and_leave_the_rest():
    found = windows(torch.arange(23, dtype=torch.int32), 5)
    assert found.dtype == torch.int64
    assert torch.equal(found, torch.arange(20).view(4, 5))
    assert windows(torch.arange(4), 5).shape == (0, 5)


def test_windows_of_calibration_are_distinct_and_those_of_a_smaller_count_come_first():
    tokens = torch.arange(1003, dtype=torch.int32)
    found = calibration_windows(tokens, 10, 100, seed=3)
    assert found.shape == (100, 10) and len(found.unique()) == 1000
    assert (found.diff(dim=1) == 1).all() and found.dtype == torch.int64
    assert not torch.equal(found[:, 0], found[:, 0].sort().values)
    assert torch.equal(calibration_windows(tokens, 10, 7, seed=3), found[:7])
    assert not torch.equal(calibration_windows(tokens, 10, 100, seed=4), found)
    for count in (0, 101):
        with pytest.raises(InputError, match=rf"{count} windows of 10 tokens .* take 1\.\.100"):
            calibration_windows(tokens, 10, count, seed=3)


def test_batches_are_those_of_characters_in_the_same_order():
    tokens = drawn(2000).int()
    batches = TokenBatches(tokens, 8, 16, seed=5)
    other = TextBatches(Text("", "", tokens, tokens, tokens), 8, 16, seed=5)
    steps = batches.steps_per_epoch
    assert steps == other.steps_per_epoch
    whole = list(islice(batches.at(0), 2 * steps))
    for batch, (inputs, _) in zip(whole, other.at(0), strict=False):
        assert torch.equal(batch, inputs) and batch.dtype == torch.int64
    for step in (1, steps - 1, steps, steps + 3):
        assert torch.equal(next(batches.at(step)), whole[step])


def test_an_epoch_has_no_token_twice():
    batches = TokenBatches(torch.arange(2000), 8, 16, seed=5)
    seen = torch.cat(list(islice(batches.at(0), batches.steps_per_epoch))).flatten()
    assert len(seen.unique()) == len(seen) > 1800


def test_batches_of_other_tokens_or_settings_are_told_apart():
    tokens = drawn(2000)
    batches = TokenBatches(tokens, 8, 16, seed=5)
    same = TokenBatches(tokens.int(), 8, 16, seed=5)
    assert repr(batches) == repr(same) and batches == same
    changed = tokens.clone()
    changed[1000] += 1
    for other in (
        TokenBatches(changed, 8, 16, seed=5),
        TokenBatches(tokens, 4, 16, seed=5),
        TokenBatches(tokens, 8, 32, seed=5),
        TokenBatches(tokens, 8, 16, seed=6),
    ):
        assert repr(batches) != repr(other) and batches != other
    with pytest.raises(InputError, match=r"batches of 8 from 5 windows of 300 tokens: take 1\.\.5"):
        next(TokenBatches(tokens[:1999], 8, 300, seed=5).at(0))


@pytest.mark.parametrize(
    ("lengths", "limits", "words"),
    [
        ((39, 50, 10, 10), {}, r"notes has 39 \(calibration\).* 40 \(calib.*4 windows of calib"),
        ((40, 29, 10, 10), {}, r"29 \(training\).* 30 \(training\).* 2 at a time of training"),
        ((40, 30, 10, 9), {}, r"9 \(evaluation\) tokens; .* 10 tokens each: take a longer text"),
        ((40, 30, 9, 10), {}, r"9 \(validation\)"),
        ((40, 30, 10, 10), {"longest": 9}, "longer than the model, which has 9 positions"),
        ((40, 30, 10, 10), {"vocabulary": 3}, "gives token 3 and the model has 3: they are not of"),
        ((40, 30, 10, 10), {"context": 1}, "a context of 1 tokens predicts nothing"),
    ],
)
def test_texts_and_models_that_are_too_small_are_refused(lengths, limits, words):
    tokens = Tokens("notes", *(torch.arange(length) % 4 for length in lengths))
    needed = {"context": 10, "num_calibration": 4, "batch_size": 2, **limits}
    with pytest.raises(InputError, match=words) as raised:
        check_lengths(tokens, **needed)
    assert "\n" not in str(raised.value)


def test_what_is_just_long_enough_is_enough():
    tokens = Tokens("notes", *(torch.arange(length) % 4 for length in (40, 30, 10, 10)))
    check_lengths(tokens, 10, num_calibration=4, batch_size=2, longest=10, vocabulary=4)
    assert len(calibration_windows(tokens.calibration, 10, 4, seed=0)) == 4
    assert next(TokenBatches(tokens.training, 2, 10, seed=0).at(0)).shape == (2, 10)
    assert len(windows(tokens.evaluation, 10)) == 1


def test_perplexity_is_that_of_double_precision_token_by_token(llama):
    rows = drawn(5, 12)
    with torch.no_grad():
        logs = llama(rows).logits.double().log_softmax(dim=-1)
    expected = [-sum(logs[b, t, rows[b, t + 1]].item() for t in range(11)) for b in range(5)]
    # Logarithms of float32 are off by 1e-7 of logits below 1e3, and 11 of them are summed.
    found = nll_of_windows(llama, rows, batch_size=2)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, rel=1e-5)
    whole = perplexity(llama, rows.int(), batch_size=3)
    assert whole.num_tokens == 55 and whole.nll == pytest.approx(sum(expected), rel=1e-5)
    assert whole.value == pytest.approx(math.exp(sum(expected) / 55), rel=1e-4)
    assert whole.log_value == pytest.approx(llama(rows, labels=rows).loss.item(), rel=1e-5)
    assert max(expected) > 1.05 * min(expected)


def test_logits_are_worked_on_in_parts_without_a_change_of_result(llama, monkeypatch):
    rows = drawn(6, 9)
    with torch.no_grad():
        whole = nll_of_logits(llama(rows).logits, rows)
    monkeypatch.setattr(perplexities, "_CHUNK", 3 * 256)
    with torch.no_grad():
        parts = nll_of_logits(llama(rows).logits, rows)
    torch.testing.assert_close(parts, whole, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 2), (torch.bfloat16, 4)])
def test_batches_are_made_smaller_until_their_logits_fit(monkeypatch, dtype, size):
    monkeypatch.setattr(perplexities, "_LOGIT_BYTES", 2 * 8 * 16 * 4 + 3)
    model = Fixed(torch.zeros(16, 16, dtype=dtype))
    perplexity(model, drawn(11, 8, most=16), batch_size=64)
    assert model.sizes[:3] == [1, size, size] and sum(model.sizes) == 11
    perplexity(model, drawn(1, 99, most=16), batch_size=64)
    assert model.sizes[-1] == 1


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary():
    found = perplexity(Fixed(torch.zeros(37, 37)), drawn(4, 8, most=37), batch_size=4)
    assert found.value == pytest.approx(37, rel=1e-6) and found.num_tokens == 28


def test_a_model_that_is_broken_has_no_finite_perplexity():
    table = torch.zeros(5, 5)
    rows = torch.tensor([[0, 1, 2], [3, 4, 0]])
    for value, expected in ((math.nan, math.isnan), (-math.inf, math.isinf)):
        broken = table.clone()
        broken[0, 1] = value
        found = nll_of_windows(Fixed(broken), rows, batch_size=1)
        assert expected(found[0]) and math.isfinite(found[1])
        assert expected(perplexity(Fixed(broken), rows, batch_size=1).value)
    assert Perplexity(1e6, 2).value == math.inf


def test_evaluation_leaves_the_model_as_it_was(llama):
    llama.train()
    try:
        nll_of_windows(llama, drawn(2, 6), batch_size=1)
        assert all(module.training for module in llama.modules())
    finally:
        llama.eval()
    for rows, size in ((drawn(2, 1), 1), (drawn(0, 5), 1), (drawn(5), 1), (drawn(2, 5), 0)):
        with pytest.raises(InputError, match="at least 1 window of at least 2 tokens"):
            perplexity(llama, rows, batch_size=size)


def test_the_loss_of_training_is_the_logarithm_of_the_perplexity(llama):
    rows = drawn(3, 10)
    before = rows.clone()
    loss = token_loss(llama, rows)
    assert torch.equal(rows, before)
    assert loss.item() == pytest.approx(perplexity(llama, rows, batch_size=3).log_value, rel=1e-6)
    assert loss.item() == pytest.approx(llama(rows, labels=rows).loss.item(), rel=1e-6)
    (found,) = torch.autograd.grad(loss, llama.lm_head.weight)
    (expected,) = torch.autograd.grad(llama(rows, labels=rows).loss, llama.lm_head.weight)
    torch.testing.assert_close(found, expected)


def test_a_training_on_tokens_learns_and_resumes(tmp_path):
    batches = TokenBatches(torch.arange(7).repeat(60), 4, 8, seed=1)
    plan = FitPlan(40, clip=None, checkpoint_steps=10, curve_steps=10)
    calls = []

    def killed(model, batch):
        calls.append(batch)
        if len(calls) > 25:
            raise KeyboardInterrupt
        return token_loss(model, batch)

    def trained(loss, plan):
        model = Fixed(torch.zeros(7, 7))
        state = TrainingState(model, sgd(model), Constant(5.0), 0, seeded_generator(0))
        fit(state, batches, loss, plan)
        return model

    model = trained(token_loss, plan)
    assert perplexity(model, windows(batches.tokens, 8), batch_size=8).value < 1.1
    stored = replace(plan, checkpoint=tmp_path / "fit")
    with pytest.raises(KeyboardInterrupt):
        trained(killed, stored)
    again = trained(token_loss, stored)
    assert torch.equal(again.table, model.table)
    with pytest.raises(InputError, match="belongs to another training"):
        trained(token_loss, replace(stored, num_steps=41))
