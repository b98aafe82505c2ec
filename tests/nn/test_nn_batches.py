"""Batches, augmentation and corruptions: functions of seeds, on known images."""

from itertools import islice

import pytest
import torch

from tasks.nn.data import (
    CORRUPTIONS,
    SEVERITIES,
    Augmentation,
    ImageBatches,
    corrupted,
    evaluation_batches,
    load_dataset,
    steps_per_epoch,
)
from tasks.nn.data.augmentation import cropped, squares, zoomed
from tasks.records import InputError, derive_seed

EVERYTHING = Augmentation(pad=2, flip=True, zoom=0.5, cutout=3)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def drawn(digits, number, *, start=0, **options):
    return list(islice(ImageBatches(digits, 100, **{"seed": 1, **options}).at(start), number))


def equal(first, second):
    return all(
        torch.equal(a, b)
        for x, y in zip(first, second, strict=True)
        for a, b in zip(x, y, strict=True)
    )


# --- batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [0, 5, 12, 13, 30])
def test_batches_from_any_step_on_are_those_of_the_whole_sequence(digits, start):
    whole = drawn(digits, start + 3, augmentation=EVERYTHING)
    assert equal(drawn(digits, 3, start=start, augmentation=EVERYTHING), whole[start:])


def test_an_epoch_shows_every_image_at_most_once(digits):
    assert steps_per_epoch(len(digits.train), 100) == 12
    inputs = torch.cat([x for x, _ in drawn(digits, 12)]).flatten(1)
    distinct = len(digits.normalized(digits.train.inputs).flatten(1).unique(dim=0))
    repeated = len(digits.train) - distinct
    assert len(inputs.unique(dim=0)) >= 1200 - repeated


def test_epochs_and_seeds_have_different_orders(digits):
    labels = [y for _, y in drawn(digits, 24)]
    assert not torch.equal(labels[0], labels[12])
    assert not torch.equal(labels[0], drawn(digits, 1, seed=2)[0][1])


def test_augmentation_does_not_change_the_order(digits):
    plain, changed = drawn(digits, 3), drawn(digits, 3, augmentation=EVERYTHING)
    for (x, y), (z, w) in zip(plain, changed, strict=True):
        assert torch.equal(y, w) and x.shape == z.shape and not torch.equal(x, z)


def test_evaluation_visits_every_image_once_in_order(digits):
    batches = list(evaluation_batches(digits, digits.test, 100))
    assert [len(y) for _, y in batches] == [100, 100, 100, 59]
    assert torch.equal(torch.cat([y for _, y in batches]), digits.test.targets)
    assert torch.equal(torch.cat([x for x, _ in batches]), digits.normalized(digits.test.inputs))


@pytest.mark.parametrize("size", [0, 2000])
def test_batches_that_no_epoch_can_fill_are_refused(digits, size):
    with pytest.raises(InputError, match=f"batches of {size} from 1294 images"):
        next(ImageBatches(digits, size, seed=0).at(0))


# --- augmentation -----------------------------------------------------------------------------


def test_a_crop_is_a_shift_with_zeros():
    images = torch.arange(1, 10, dtype=torch.uint8).reshape(1, 1, 3, 3)
    assert torch.equal(cropped(images, torch.tensor([[1, 1]]), 1), images)
    shifted = cropped(images, torch.tensor([[0, 2]]), 1)[0, 0]
    assert shifted.tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]


def test_flips_happen_to_half_of_the_images_and_to_whole_images():
    images = torch.arange(4, dtype=torch.uint8).repeat(2000, 1, 1, 1)
    moved = Augmentation(flip=True).moved(images, torch.Generator().manual_seed(0))
    rows = moved[:, 0, 0].tolist()
    flipped = rows.count([3, 2, 1, 0])
    assert flipped + rows.count([0, 1, 2, 3]) == 2000
    assert abs(flipped - 1000) < 5 * 500**0.5  # five standard deviations


def test_a_zoom_of_the_whole_image_changes_nothing():
    inputs = torch.randn(3, 2, 6, 6)
    draws = torch.tensor([[1.0, 0.3, 0.9]]).expand(3, 3)
    assert torch.allclose(zoomed(inputs, draws, 0.25), inputs, atol=1e-5)


def test_a_zoom_to_a_quarter_shows_a_quarter():
    inputs = torch.zeros(1, 1, 8, 8)
    inputs[:, :, :4, :4] = 1.0
    draws = torch.tensor([[0.0, 0.0, 0.0]])  # smallest area, upper left
    # Border pixels are mixed with the neighboring quarter.
    assert torch.allclose(zoomed(inputs, draws, 0.25)[..., :7, :7], torch.ones(7, 7))


def test_a_cut_out_square_has_its_side_and_stays_in_the_image():
    inside = squares(torch.Size([2, 1, 6, 6]), torch.tensor([[0.5, 0.5], [0.0, 0.0]]), 2)
    assert inside[0].sum() == 4 and inside[0, 0, 2:4, 2:4].all()
    assert inside[1].sum() == 1 and inside[1, 0, 0, 0]


def test_no_augmentation_is_the_identity():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    generator = torch.Generator().manual_seed(0)
    assert Augmentation().moved(images, generator) is images
    assert Augmentation().changed(images, generator) is images


@pytest.mark.parametrize("bad", [{"pad": -1}, {"zoom": 0.0}, {"zoom": 1.5}, {"cutout": -2}])
def test_impossible_augmentations_are_refused(bad):
    with pytest.raises(InputError, match="zoom lies in"):
        Augmentation(**bad)


# --- corruptions ------------------------------------------------------------------------------


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corruption_grows_with_its_severity(corruption):
    images = load_dataset("synthetic").test.inputs
    clean = images.float() / 255
    distances = []
    for severity in SEVERITIES:
        changed = corrupted(images, corruption, severity)
        assert changed.shape == clean.shape and changed.dtype == torch.float32
        assert float(changed.min()) >= 0 and float(changed.max()) <= 1
        distances.append(float((changed - clean).square().mean()))
    assert distances == sorted(distances) and 0 < distances[0] < 0.8 * distances[-1]


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corruption_is_a_function_of_its_seed(corruption):
    images = load_dataset("synthetic").test.inputs
    first, again = (corrupted(images, corruption, 3, seed=5) for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_corrupted_image_does_not_depend_on_those_after_it(corruption):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (7, 3, 5, 7), dtype=torch.uint8, generator=generator)
    first, all_of_them = corrupted(images[:3], corruption, 3), corrupted(images, corruption, 3)
    torch.testing.assert_close(first, all_of_them[:3], atol=1e-6, rtol=0)


def test_noise_on_images_of_whole_blocks_of_sixteen_numbers_is_one_draw():
    """So that the numbers measured on 8 x 8 and 28 x 28 pixels stay what they are."""
    images = torch.full((5, 1, 8, 8), 128, dtype=torch.uint8)
    generator = torch.Generator().manual_seed(derive_seed(0, "gaussian_noise", 1))
    expected = images / 255 + 0.05 * torch.randn(images.shape, generator=generator)
    assert torch.equal(corrupted(images, "gaussian_noise", 1), expected.clamp(0, 1))


def test_a_blur_keeps_what_is_constant_and_noise_keeps_the_mean():
    images = torch.full((50, 3, 16, 16), 128, dtype=torch.uint8)
    assert torch.allclose(corrupted(images, "blur", 5), images / 255, atol=1e-6)
    noisy = corrupted(images, "gaussian_noise", 3)
    # 38,400 draws of deviation 0.15: five standard errors.
    assert abs(float(noisy.mean()) - 128 / 255) < 5 * 0.15 / 38_400**0.5
    assert float(noisy.std()) == pytest.approx(0.15, rel=0.05)


@pytest.mark.parametrize(("corruption", "severity"), [("snow", 1), ("blur", 0), ("blur", 6)])
def test_unknown_corruptions_are_refused(corruption, severity):
    images = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"known are gaussian_noise.*at 1\.\.5"):
        corrupted(images, corruption, severity)
