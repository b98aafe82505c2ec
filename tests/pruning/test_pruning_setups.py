"""What all trainings share: images of recalibration and of corruption, decoded pictures."""

import pytest
from PIL import Image
from small_runs import planned, small_config

from tasks.pruning import check_pruning, setups
from tasks.pruning.plan import pruning_waves
from tasks.pruning.setups import Setup
from tasks.records import InputError

CLASSES = "abcd"


@pytest.fixture
def pictures(tmp_path):
    """Four classes of one gray each, 5 training and 10 test pictures."""
    for part, count in (("train", 5), ("val", 10)):
        for number, name in enumerate(CLASSES):
            (tmp_path / part / name).mkdir(parents=True)
            for k in range(count):
                gray = Image.new("RGB", (8, 8), (60 * number + k,) * 3)
                gray.save(tmp_path / part / name / f"{k}.png")
    return tmp_path


def picture_config(folder, **changes):
    values = {
        "dataset": "imagefolder",
        "data_folder": str(folder),
        "image_size": 8,
        "batch_size": 5,
    }
    return small_config(**(values | changes))


@pytest.mark.parametrize(
    ("wanted", "used"), [(2, 2), (10, 10), (99, 99), (100, 100), (180, 180), (399, 360)]
)
def test_recalibration_uses_the_images_that_the_config_says(wanted, used):
    """All 360 at most; 10 were 100, and 399 were 300."""
    setup = Setup.open(small_config(recalibration_images=wanted))
    model, sizes = setup.new_model(0), []
    model[0].register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    setup.recalibrate(model)
    assert sum(sizes) == used and max(sizes) <= 100 and len(set(sizes)) == 1


def test_recalibration_leaves_out_less_than_one_image_a_batch():
    setup = Setup.open(small_config(recalibration_images=301))
    model, sizes = setup.new_model(0), []
    model[0].register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    setup.recalibrate(model)
    assert sizes == [75] * 4


def test_one_image_has_no_variance_to_recalibrate_with():
    with pytest.raises(ValueError, match="recalibration_images"):
        small_config(recalibration_images=1)


def test_corrupted_pictures_are_of_all_classes(pictures, monkeypatch):
    """Pictures lie by class: the first ones were all of the first class."""
    seen = []

    def note(model, dataset, split, **_):
        seen.append(split)
        return {("blur", 3): 0.5}

    monkeypatch.setattr(setups, "corrupted_accuracies", note)
    setup = Setup.open(picture_config(pictures, ood_images=20))
    assert setup.measure(setup.new_model(0)).ood_accuracy == 0.5
    assert len(seen[0]) == 20 and seen[0].labels.unique().tolist() == [0, 1, 2, 3]


def test_pictures_are_decoded_into_the_folder_that_the_config_names(pictures, tmp_path):
    cache = tmp_path / "decoded"
    plain, cached = picture_config(pictures), picture_config(pictures, image_cache=str(cache))
    first, second = Setup.open(plain).dataset, Setup.open(cached).dataset
    assert first.train.images.equal(second.train.images)
    assert len(list(cache.iterdir())) == 3
    assert planned(plain).identity.run_id == planned(cached).identity.run_id


def test_other_pictures_make_other_models(pictures):
    """Their place does not name a run, their content does."""

    def origins():
        setups._loaded.cache_clear()
        run = planned(picture_config(pictures, seeds=1))
        return run.identity.run_id, [
            run.origin(run.study.stages[0], item).made_from
            for item in next(pruning_waves(run.plan, NothingStored())).items
        ]

    before = origins()
    assert origins() == before
    Image.new("RGB", (8, 8), (9, 9, 9)).save(pictures / "train" / "a" / "0.png")
    after = origins()
    assert after[0] != before[0] and after[1] != before[1]


class NothingStored:
    def rows(self, table):
        return []


def test_pictures_too_few_to_hold_any_out_are_refused(pictures):
    for path in (pictures / "train").rglob("[1-9].png"):
        path.unlink()
    with pytest.raises(InputError, match="4 training images leave none for validation"):
        check_pruning(picture_config(pictures, batch_size=2))
