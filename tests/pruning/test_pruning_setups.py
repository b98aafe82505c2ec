"""Pictures as inputs of a study: what names a run, what its models are made from."""

import pytest
from gray_pictures import PICTURES, write_pictures
from PIL import Image
from small_runs import planned, small_config

from tasks.nn import workbench
from tasks.pruning import check_pruning
from tasks.pruning.plan import pruning_waves
from tasks.records import InputError


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path)


def picture_config(folder, **changes):
    return small_config(**(PICTURES | {"data_folder": str(folder)} | changes))


def test_the_folder_of_decoded_pictures_does_not_name_the_run(pictures, tmp_path):
    plain = picture_config(pictures)
    cached = picture_config(pictures, image_cache=str(tmp_path / "decoded"))
    assert planned(plain).identity.run_id == planned(cached).identity.run_id


def test_other_pictures_make_other_models(pictures):
    """Their place does not name a run, their content does."""

    def origins():
        workbench._loaded.cache_clear()
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
