import pytest
import torch
from torch import Generator

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training.augment import augmented

CHW = torch.randint(1, 256, (2, 50, 3, 8, 6), dtype=torch.uint8, generator=Generator().manual_seed(0))
HWC = CHW.permute(0, 1, 3, 4, 2)


def rngs(*seeds):
    return [Generator().manual_seed(seed) for seed in seeds]


def test_nothing_asked_for_changes_nothing():
    assert augmented(CHW, (), rngs(0, 1)) is CHW


def test_a_flip_shows_an_image_or_its_mirror_image_and_both_occur():
    seen = augmented(CHW, ("flip",), rngs(0, 1))
    same = (seen == CHW).flatten(2).all(2)
    mirrored = (seen == CHW.flip(-1)).flatten(2).all(2)
    assert (same ^ mirrored).all()
    assert 0.3 < same.double().mean() < 0.7


def test_a_crop_shifts_by_up_to_four_pixels_and_fills_with_zeros():
    padded = torch.nn.functional.pad(CHW, (4, 4, 4, 4))
    windows = torch.stack([padded[..., i : i + 8, j : j + 6] for i in range(9) for j in range(9)])
    found = (windows == augmented(CHW, ("crop",), rngs(0, 1))).flatten(3).all(3)
    assert (found.sum(0) == 1).all()
    assert len(found.nonzero()[:, 0].unique()) > 40


@pytest.mark.parametrize("how", [("flip",), ("crop",), ("flip", "crop")])
def test_channels_may_come_first_or_last(how):
    last = augmented(HWC, how, rngs(0, 1))
    assert torch.equal(augmented(CHW, how, rngs(0, 1)), last.permute(0, 1, 4, 2, 3))


def test_the_images_of_a_model_follow_from_its_own_generator():
    both = augmented(CHW, ("flip", "crop"), rngs(3, 4))
    assert torch.equal(augmented(CHW[1:], ("flip", "crop"), rngs(4)), both[1:])
    assert not torch.equal(augmented(CHW[1:], ("flip", "crop"), rngs(3)), both[1:])


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 8), (3, 8, 3), (30,)])
def test_records_that_are_not_plainly_images_are_refused(shape):
    with pytest.raises(InputError, match=r"Leave `augment` out"):
        augmented(torch.zeros(1, 2, *shape), ("flip",), rngs(0))
