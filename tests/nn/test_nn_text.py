"""Text: what is held out, windows, a folder of one's own, and a network that looks back alone."""

import math
import re
from dataclasses import replace
from itertools import islice

import pytest
import torch

from tasks.frankwolfe.config import FrankWolfeConfig
from tasks.nn import classification_loss
from tasks.nn.benches import open_bench
from tasks.nn.config import TEXTS as CONFIG_TEXTS
from tasks.nn.data.text import (
    TEXTS,
    TextBatches,
    evaluation_windows,
    load_text,
    num_windows,
    split_text,
    windows,
)
from tasks.nn.evaluation import measure, measure_predictions, predictions
from tasks.nn.models.gpt import GPT, build_gpt
from tasks.nn.plan import check_training, data_inputs
from tasks.records import InputError

PARAGRAPHS = [f"Paragraph {number}: {'abcdefghij'[number % 10] * 90}" for number in range(500)]


@pytest.fixture(scope="module")
def text():
    return split_text("numbers", ["\n\n".join(PARAGRAPHS)])


def decoded(text, part):
    return "".join(text.characters[token] for token in part.tolist())


def test_parts_hold_every_paragraph_once_and_share_none():
    repeated = ["\n\n".join(PARAGRAPHS), "\n\n".join(PARAGRAPHS[100:200]), PARAGRAPHS[7]]
    found = split_text("numbers", repeated)
    parts = [decoded(found, part) for part in (found.train, found.validation, found.test)]
    assert sum(map(len, parts)) == len("\n\n".join(PARAGRAPHS))
    for paragraph in PARAGRAPHS:
        # One that is cut between two parts is whole in neither.
        assert sum(part.count(paragraph) for part in parts) <= 1
    assert len(found.validation) >= 4096 and len(found.test) >= 4096
    assert torch.equal(found.train, split_text("numbers", repeated).train)
    assert not torch.equal(found.test, split_text("numbers", repeated, split_seed=1).test)


def test_windows_are_followed_by_what_comes_next(text):
    inputs, following = windows(text.train, torch.tensor([0, 7]), 5)
    assert torch.equal(inputs[1], text.train[7:12].long())
    assert torch.equal(following[1], text.train[8:13].long())


def test_epochs_begin_at_other_places_and_windows_fit_wherever(text):
    size = len(text.train)
    numbered = type(text)("places", "", torch.arange(size, dtype=torch.int32), text.test, text.test)
    batches = TextBatches(numbered, 16, 32, seed=3)
    firsts = {int(next(batches.at(e * batches.steps_per_epoch))[0].min()) % 32 for e in range(9)}
    assert len(firsts) > 3
    for length in (64, 65, 95, 96):
        part = torch.arange(length)
        starts = 31 + 32 * torch.arange(num_windows(part, 32))
        windows(part, starts, 32)  # the last one is inside
        assert num_windows(part, 32) == (length - 32) // 32


def test_parts_are_their_blocks_in_order(text):
    inside = decoded(text, text.train)
    numbers = [int(n) for n in re.findall(r"Paragraph (\d+):", inside)]
    assert numbers == sorted(numbers)


def test_a_text_is_measured_on_its_own_test_part():
    config = FrankWolfeConfig(dataset="python-docs", model="gpt", context=32, seeds=2)
    bench = open_bench(config)
    model, other = bench.new_model(0), bench.new_model(1)
    assert not torch.equal(model.tokens.weight, other.tokens.weight)
    found = bench.measure(model)
    for part, loss in (
        (bench.text.validation, found.validation.loss),
        (bench.text.test, found.test.loss),
    ):
        batches = list(evaluation_windows(part, 32))
        with torch.no_grad():
            losses = [classification_loss(model, batch) * batch[1].numel() for batch in batches]
        count = sum(following.numel() for _, following in batches)
        assert loss == pytest.approx(float(sum(losses)) / count, rel=1e-5)
        assert loss == pytest.approx(math.log(len(bench.text.characters)), rel=0.05)
    assert found.validation.loss != found.test.loss and 0 <= found.test.calibration_error <= 1
    renamed = replace(bench.text, characters=bench.text.characters[::-1])
    assert replace(bench, text=renamed).digest() != bench.digest()


def test_measures_of_parts_are_those_of_the_whole():
    generator = torch.Generator().manual_seed(0)
    logs = torch.randn(90, 7, generator=generator).double().log_softmax(1)
    labels = torch.randint(7, (90,), generator=generator)
    whole = measure(logs, labels)
    parts = [predictions(logs[i : i + 40], labels[i : i + 40]) for i in (0, 40, 80)]
    found = measure_predictions(parts)
    assert vars(found) == pytest.approx(vars(whole), rel=1e-12)
    with pytest.raises(InputError, match="nothing to evaluate"):
        measure_predictions([])


def test_the_gpt_knows_places_and_begins_small():
    model = build_gpt(11, 16, seed=1)
    with torch.no_grad():
        repeated = model(torch.full((1, 16), 3))
    assert not torch.allclose(repeated[0, 3], repeated[0, 9])
    first = model.blocks[0]
    ends = (first.narrow.weight.std() / first.widen.weight.std()).item()
    assert ends == pytest.approx(8**-0.5, rel=0.05)


def test_an_epoch_has_no_character_twice_and_resumes_anywhere(text):
    batches = TextBatches(text, 16, 32, seed=3)
    steps = batches.steps_per_epoch
    assert steps == num_windows(text.train, 32) // 16
    whole = list(islice(batches.at(0), 2 * steps))
    rows = torch.cat([inputs for inputs, _ in whole[:steps]])
    assert rows.shape == (16 * steps, 32)
    numbered = text.train.new_tensor(range(len(text.train)))
    places = TextBatches(type(text)("places", "", numbered, text.test, text.test), 16, 32, seed=3)
    seen = torch.cat([inputs for inputs, _ in islice(places.at(0), steps)]).flatten()
    assert len(seen.unique()) == len(seen)
    for step in (1, steps - 1, steps, steps + 2):
        again = next(batches.at(step))
        assert all(torch.equal(*pair) for pair in zip(again, whole[step], strict=True))
    assert not torch.equal(whole[0][0], whole[steps][0])
    assert not torch.equal(whole[0][0], next(TextBatches(text, 16, 32, seed=4).at(0))[0])


def test_evaluation_sees_every_window_once(text):
    found = torch.cat([following for _, following in evaluation_windows(text.test, 50, 7)])
    assert torch.equal(found.flatten(), text.test[1 : 1 + found.numel()].long())
    assert len(text.test) - found.numel() <= 50


def test_a_network_of_text_does_not_see_what_it_is_to_predict():
    model = build_gpt(11, 16, seed=1)
    tokens = torch.randint(11, (2, 16), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[:, 9:] = (changed[:, 9:] + 1) % 11
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9:], after[:, 9:])
    assert model(tokens[:, :3]).shape == (2, 3, 11)
    assert torch.equal(build_gpt(11, 16, seed=1).tokens.weight, model.tokens.weight)
    assert not torch.equal(build_gpt(11, 16, seed=2).tokens.weight, model.tokens.weight)
    with pytest.raises(InputError, match="3 heads do not divide a width of 8"):
        GPT(11, 16, width=8, heads=3)


def test_a_loss_of_text_is_that_of_its_characters():
    model = build_gpt(11, 16)
    tokens = torch.randint(11, (3, 17), generator=torch.Generator().manual_seed(0))
    whole = classification_loss(model, (tokens[:, :-1], tokens[:, 1:]))
    logits = model(tokens[:, :-1]).log_softmax(-1)
    expected = -logits.gather(-1, tokens[:, 1:, None]).mean()
    assert whole.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_reference_of_python_is_a_text_whose_content_names_runs():
    config = FrankWolfeConfig(dataset="python-docs", model="gpt", context=32)
    bench = open_bench(config)
    assert len(bench.text.train) > 200_000 and 90 < len(bench.text.characters) < 200
    assert "def" in decoded(bench.text, bench.text.train)
    found = data_inputs(config)
    assert found.contents == {"python-docs": bench.digest()} and found.value == bench.digest()
    check_training(config)
    assert CONFIG_TEXTS == TEXTS


def test_a_folder_of_text_is_read_file_by_file(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.txt").write_text("\n\n".join(PARAGRAPHS[:300]), encoding="utf-8")
    (tmp_path / "deeper" / "c.md").write_text("\n\n".join(PARAGRAPHS[300:]) + "é", encoding="utf-8")
    (tmp_path / "ignored.bin").write_bytes(b"\xff\xfe")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.txt").write_text("☃" * 9)
    (tmp_path / "D.TXT").write_bytes(b"\xef\xbb\xbf" + "ü".encode())
    found = load_text("textfolder", folder=tmp_path)
    assert {"é", "ü"} <= set(found.characters)
    assert not {"\ufeff", "☃"} & set(found.characters)
    config = FrankWolfeConfig(dataset="textfolder", model="gpt", data_folder=str(tmp_path))
    assert data_inputs(config).value == open_bench(config).digest()
    short = config.model_copy(update={"num_train": 5000})
    assert len(open_bench(short).text.train) == 5000
    before = open_bench(config).digest()
    (tmp_path / "b.txt").write_text("\n\n".join(PARAGRAPHS[:300]) + "!", encoding="utf-8")
    assert open_bench(config).digest() != before


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.bin", b"x", "no files that end in .txt"),
        ("a.txt", b"short", "5 characters without repeated paragraphs; at least 40,960"),
        ("a.txt", b"a\xff" * 30_000, "a.txt is not UTF-8 at byte 1"),
    ],
)
def test_a_folder_without_text_is_refused_in_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as raised:
        load_text("textfolder", folder=tmp_path)
    assert "\n" not in str(raised.value)


def test_text_without_a_folder_an_unknown_name_and_long_windows_are_refused():
    with pytest.raises(InputError, match="textfolder needs data_folder"):
        load_text("textfolder")
    with pytest.raises(InputError, match="no text is called 'poems'; known are python-docs"):
        load_text("poems")
    with pytest.raises(InputError, match="/nowhere is not a folder"):
        load_text("textfolder", folder="/nowhere")
    with pytest.raises(InputError, match="home directory"):
        load_text("textfolder", folder="~nobody-is-called-so/x")
    with pytest.raises(InputError, match="no window of 500"):
        num_windows(torch.arange(700), 500)
    config = FrankWolfeConfig(dataset="python-docs", model="gpt", num_train=100)
    least = config.model_copy(update={"num_train": 128, "batch_size": 1})
    check_training(least)
    with pytest.raises(
        InputError, match=r"batches of 2 from 1 windows of 64 characters: take 1\.\.1"
    ):
        check_training(least.model_copy(update={"batch_size": 2}))
    with pytest.raises(InputError, match="context of 64 is too long for a text whose parts have"):
        check_training(config)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"dataset": "python-docs"},
            "does not learn from python-docs: the network of text is gpt",
        ),
        ({"model": "gpt"}, "gpt does not learn from digits: gpt learns from text alone"),
    ],
)
def test_a_network_that_is_not_for_the_data_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        FrankWolfeConfig(**settings)
