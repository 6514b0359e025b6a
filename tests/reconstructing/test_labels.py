import pytest
import torch
from blobs import images, linear, seen
from torch import nn

from ml_privacy_meter.reconstructing.labels import Labels, judged, shares


def _answering(*logits):
    """A model that takes every image for the same."""
    model = linear()
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.copy_(torch.tensor(logits))
    return model


@pytest.mark.parametrize("count", [1, 3, 4, 6, 9])
def test_the_even_guess_is_what_a_random_one_gets_right_on_average(count):
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(4, (count,), generator=draw)
    got = []
    for _ in range(4000):
        guess = torch.full((4,), count // 4)
        guess[torch.randperm(4, generator=draw)[: count % 4]] += 1
        got.append(float(torch.minimum(guess, torch.bincount(y, minlength=4)).sum()) / count)
    found = judged(seen(linear(), images(count), y), y)
    assert found.even == pytest.approx(sum(got) / len(got), abs=0.02)


def test_where_one_class_prevails_among_public_images_guesses_know_it():
    y = torch.tensor([1] * 9 + [2])
    found = judged(seen(_answering(0.0, 9.0, 0.0, 0.0), images(10), y), y)
    assert found.even == pytest.approx(0.35)
    assert found.public == pytest.approx(0.9, abs=1e-3)


def test_no_model_that_knows_nothing_lowers_the_guess():
    y = torch.tensor([0, 2, 3])
    labels = judged(seen(_answering(0.0, 9.0, 0.0, 0.0), images(3), y), y)
    assert labels.public < 0.01
    assert shares([labels], [3])[1] == labels.even == pytest.approx(0.75)


def test_shares_are_of_records_and_none_where_nothing_was_inferred():
    both = shares([Labels(1.0, 0.25, 0.0), Labels(0.5, 0.5, 0.1), None], [1, 3, 5])
    assert both == pytest.approx((0.625, 0.4375))
    assert shares([None], [2]) == (None, None)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4, bias=False))
    y = torch.tensor([0])
    assert judged(seen(model, images(1), y), y) is None
