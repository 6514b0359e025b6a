import pytest
import torch
from blobs import gradient, images, linear, seen, smooth

from ml_privacy_meter import InputError
from ml_privacy_meter.reconstruction import (
    DoesNotApplyError,
    ReconstructionGame,
    View,
    expected_share,
    imprint,
    imprinted,
)

PUBLIC = images(400, seed=50)


def _share(count, bins, seed):
    model = imprinted(smooth(seed), PUBLIC, bins=bins, seed=seed)
    x, y = images(count, seed=seed), torch.randint(4, (count,), generator=torch.Generator().manual_seed(seed))
    view = View(model, gradient(model, x, y), count, PUBLIC)
    return float((ReconstructionGame(view, x).play(imprint).psnr > 40).double().mean())


@pytest.mark.parametrize(("count", "bins"), [(1, 8), (8, 64), (32, 128)])
def test_it_recovers_most_of_what_theory_predicts(count, bins):
    shares = [_share(count, bins, seed) for seed in range(5)]
    assert sum(shares) / 5 >= 0.8 * expected_share(count, bins)


def test_theory_is_that_of_bins_that_are_equally_likely():
    draw, count, bins = torch.Generator().manual_seed(0), 16, 32
    thrown = torch.randint(bins, (4_000, count), generator=draw)
    alone = (torch.nn.functional.one_hot(thrown, bins).sum(1) == 1).sum(1).double().mean() / count
    assert expected_share(count, bins) == pytest.approx(float(alone), abs=0.01)
    assert expected_share(1, 2) == 1


def test_the_model_works_on_nearly_as_it_did():
    model, x = smooth(), images(50, seed=3)
    with torch.no_grad():
        assert torch.nn.functional.mse_loss(imprinted(model, PUBLIC)(x), model(x)) < 0.1


def test_quantiles_come_from_public_records():
    layer = imprinted(smooth(), PUBLIC, bins=10).imprint.sort
    with torch.no_grad():
        begun = (layer(PUBLIC.flatten(1)) > 0).double().mean(0)
    assert begun[0] == 1
    assert torch.allclose(begun[1:], 1 - torch.arange(1, 10).double() / 10, atol=0.01)
    assert torch.equal(layer.weight, layer.weight[:1].expand_as(layer.weight))


def test_two_records_in_one_bin_come_out_as_one_mixture():
    model = imprinted(smooth(), PUBLIC, bins=2)
    x = images(2)
    view = View(model, gradient(model, x, torch.tensor([0, 1])), 2, PUBLIC)
    units = (model.imprint.sort(x.flatten(1)) > 0).sum(1)
    assert len(imprint(view)) == len(units.unique())


def test_at_most_as_many_records_come_out_as_there_were():
    model = imprinted(smooth(), PUBLIC, bins=64)
    view = View(model, gradient(model, images(2), torch.tensor([0, 1])), 2, PUBLIC)
    for change in view.change.values():
        change.add_(torch.randn(change.shape, generator=torch.Generator().manual_seed(0)))
    assert len(imprint(view)) == 2


def test_a_model_without_the_layer_does_not_apply():
    with pytest.raises(DoesNotApplyError, match="`imprinted`"):
        imprint(seen(linear(), images(1), torch.tensor([0])))


def test_there_are_at_least_two_bins():
    with pytest.raises(InputError, match="`bins` must be a whole number of at least 2"):
        imprinted(smooth(), PUBLIC, bins=1)
