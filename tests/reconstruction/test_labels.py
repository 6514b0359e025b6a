import pytest
import torch
from blobs import images, linear, seen, smooth
from torch import nn

from ml_privacy_meter.reconstruction import DoesNotApplyError, inferred_labels
from ml_privacy_meter.reconstruction.labels import arranged, label_guesses


@pytest.mark.parametrize("label", range(4))
def test_the_label_of_one_record_is_read_without_error(label):
    assert inferred_labels(seen(linear(label), images(1, seed=label), torch.tensor([label]))).tolist() == [label]


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [1, 1, 1, 2, 3, 3], [2, 2, 2, 2]])
def test_labels_of_a_batch_are_counted_before_the_model_is_trained(labels):
    view = seen(smooth(), images(len(labels)), torch.tensor(labels))
    assert inferred_labels(view).tolist() == sorted(labels)


def test_there_are_as_many_labels_as_records_even_of_noise():
    view = seen(smooth(), images(3), torch.tensor([0, 0, 1]))
    view.change["3.bias"].copy_(torch.tensor([-1.0, -2.0, -3.0, -4.0]))
    for guess in label_guesses(view):
        assert len(guess) == 3


def test_guesses_begin_with_the_best_and_keep_what_is_sure():
    labels = torch.tensor([1, 3])
    guesses = [guess.tolist() for guess in label_guesses(seen(smooth(), images(2), labels))]
    assert guesses[0] == [1, 3]
    assert len({tuple(guess) for guess in guesses}) == len(guesses)
    view = seen(smooth(), images(3), torch.tensor([1, 1, 3]))
    assert all({1, 3} <= {*guess.tolist()} for guess in label_guesses(view))


def test_known_labels_are_taken_as_they_are():
    labels = torch.tensor([3, 0])
    assert [*map(torch.Tensor.tolist, label_guesses(seen(smooth(), images(2), labels, labels=labels)))] == [[3, 0]]


@pytest.mark.parametrize(
    "last", [nn.Linear(64, 4, bias=False), nn.Sequential(nn.Linear(64, 4), nn.Tanh())], ids=["no bias", "a kink after"]
)
def test_a_model_without_a_last_bias_does_not_apply(last):
    view = seen(nn.Sequential(nn.Flatten(), last), images(2), torch.tensor([0, 1]))
    with pytest.raises(DoesNotApplyError, match="known_labels=True"):
        inferred_labels(view)


def _starts(count, labels=None, batch_size=2, **settings):
    y = torch.tensor([0, 1, 2, 3])
    view = seen(smooth(), images(4), y, lr=None, batch_size=batch_size, labels=labels, **settings)
    return [taken.tolist() for taken in arranged(view, [y] * count, torch.Generator().manual_seed(0))]


def test_starts_take_labels_in_all_orders_that_matter_before_one_comes_again():
    batches = [tuple(tuple(sorted(taken[k : k + 2])) for k in (0, 2)) for taken in _starts(6)]
    assert len(set(batches)) == 6  # of four labels in two batches of two
    assert len(_starts(9)) == 9


@pytest.mark.parametrize("batch_size", [None, 4])
def test_where_each_step_takes_all_records_labels_keep_their_order(batch_size):
    assert _starts(3, batch_size=batch_size) == [[0, 1, 2, 3]] * 3


def test_known_labels_keep_the_clients_order_in_every_second_start():
    starts = _starts(6, labels=torch.tensor([0, 1, 2, 3]))
    assert starts[0] == starts[2] == starts[4] == [0, 1, 2, 3]
    assert all(sorted(taken[:2]) != [0, 1] for taken in starts[1::2])
