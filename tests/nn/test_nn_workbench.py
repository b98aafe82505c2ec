"""What all trainings share: images of recalibration and of corruption, decoded pictures."""

import pytest
from gray_pictures import PICTURES, write_pictures
from PIL import Image

from tasks.nn import ImageTrainingConfig, Workbench, workbench
from tasks.nn.data import DATASETS
from tasks.nn.models import MODELS
from tasks.nn.plan import check_training, data_inputs
from tasks.records import InputError
from tasks.records.work import Inputs


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path)


def small_config(**changes):
    return ImageTrainingConfig(**({"dataset": "synthetic", "batch_size": 60} | changes))


def picture_config(folder, **changes):
    return small_config(data_folder=str(folder), **PICTURES, **changes)


def test_names_in_the_config_are_those_of_the_libraries():
    fields = ImageTrainingConfig.model_fields
    assert set(fields["dataset"].annotation.__args__) == set(DATASETS)
    [names] = fields["model"].metadata
    assert set(names.names) == set(MODELS)


@pytest.mark.parametrize(
    ("wanted", "used"), [(2, 2), (10, 10), (99, 99), (100, 100), (180, 180), (399, 360)]
)
def test_recalibration_uses_the_images_that_the_config_says(wanted, used):
    """All 360 at most; 10 were 100, and 399 were 300."""
    bench = Workbench.open(small_config(recalibration_images=wanted))
    model, sizes = bench.new_model(0), []
    model[0].register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    bench.recalibrate(model)
    assert sum(sizes) == used and max(sizes) <= 100 and len(set(sizes)) == 1


def test_recalibration_leaves_out_less_than_one_image_a_batch():
    bench = Workbench.open(small_config(recalibration_images=301))
    model, sizes = bench.new_model(0), []
    model[0].register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    bench.recalibrate(model)
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

    monkeypatch.setattr(workbench, "corrupted_accuracies", note)
    bench = Workbench.open(picture_config(pictures, ood_images=20))
    assert bench.measure(bench.new_model(0)).ood_accuracy == 0.5
    assert len(seen[0]) == 20 and seen[0].targets.unique().tolist() == [0, 1, 2, 3]


def test_pictures_are_decoded_into_the_folder_that_the_config_names(pictures, tmp_path):
    cache = tmp_path / "decoded"
    plain, cached = picture_config(pictures), picture_config(pictures, image_cache=str(cache))
    first, second = Workbench.open(plain).dataset, Workbench.open(cached).dataset
    assert first.train.inputs.equal(second.train.inputs)
    assert len(list(cache.iterdir())) == 3
    assert data_inputs(plain) == data_inputs(cached)


def test_a_plan_of_a_training_has_the_settings_of_the_config():
    bench = Workbench.open(small_config(clip=0.5, mixed_precision=True, checkpoint_steps=7))
    plan = bench.fit_plan(9, checkpoint="model.safetensors", origin="abc")
    assert (plan.num_steps, plan.checkpoint, plan.origin) == (9, "model.safetensors", "abc")
    assert (plan.clip, plan.mixed_precision, plan.checkpoint_steps) == (0.5, True, 7)


def test_the_content_of_pictures_is_an_input(pictures):
    before = data_inputs(picture_config(pictures))
    assert dict(before.contents) == {"imagefolder": before.value}
    Image.new("RGB", (8, 8), (9, 9, 9)).save(pictures / "train" / "a" / "0.png")
    workbench._loaded.cache_clear()
    assert data_inputs(picture_config(pictures)).value != before.value
    assert data_inputs(small_config()) == Inputs()


def test_pictures_too_few_to_hold_any_out_are_refused(pictures):
    check_training(picture_config(pictures))
    for path in (pictures / "train").rglob("[1-9].png"):
        path.unlink()
    workbench._loaded.cache_clear()
    with pytest.raises(InputError, match="4 training images leave none for validation"):
        check_training(picture_config(pictures))
