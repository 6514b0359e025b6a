"""The network that attacks are learned with: its convolution, its scale, what it is chosen by."""

import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.attack.meminf import OPTIMIZERS
from ml_privacy_meter.membership.network import Network, Outer, fit_network


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


MEMBER = torch.arange(400) % 2 == 0


def built(parts) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(parts, kernels=5)
        torch.nn.init.normal_(network.answer.weight)
    return network.eval().double()


def test_a_gradient_in_factors_is_seen_as_the_matrix_that_it_is():
    """The convolution over the outer product, without the outer product."""
    rows, columns = drawn(30, 7), drawn(30, 4, seed=1) * torch.logspace(-9, 3, 30, dtype=torch.float64)[:, None]
    matrix = torch.einsum("nr,nc->nrc", rows, columns)
    network = built([matrix])
    torch.testing.assert_close(network.log_odds([Outer(rows, columns)]), network.log_odds([matrix]))
    assert network.log_odds([matrix]).std() > 0.01


def test_the_kernels_span_one_row_as_a_convolution_does():
    matrix = drawn(20, 7, 4)
    network = built([matrix])
    part = network.components[0]
    convolution = torch.nn.Conv2d(1, 5, (1, 4)).double()
    convolution.weight.data = part.kernels.weight.data.view(5, 1, 1, 4)
    convolution.bias.data = part.kernels.bias.data
    ((_, direction),) = network.read([matrix])
    seen = convolution(direction[:, None])[..., 0].transpose(1, 2).relu().flatten(1)
    norm = part.scale(matrix.flatten(1).norm(dim=1).log()[:, None])
    torch.testing.assert_close(part(norm, direction)[0], part.units(seen))


def test_a_record_is_judged_alike_whoever_stands_beside_it():
    parts = [drawn(900, 6), Outer(drawn(900, 5), drawn(900, 3, seed=1))]
    network = built(parts)
    some = torch.arange(0, 900, 7)
    torch.testing.assert_close(network.log_odds(parts)[some], network.log_odds([part[some] for part in parts]))


def test_numbers_are_standardised_by_the_known_records_alone():
    known, asked = 5 + 3 * drawn(400, 2), torch.full((10, 2), 1e6, dtype=torch.float64)
    network = built([known])
    ((seen,),) = network.read([known])
    torch.testing.assert_close(seen.mean(0), torch.zeros(2).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(seen.std(0), torch.ones(2).double(), atol=0.02, rtol=0)
    ((far,),) = network.read([asked])
    assert (far == 10).all()


def test_numbers_that_never_differ_and_gradients_of_zero_do_no_harm():
    parts = [torch.ones(400, 3).double(), Outer(torch.zeros(400, 4).double(), drawn(400, 2))]
    assert fit_network(parts, MEMBER, epochs=1).log_odds(parts).isfinite().all()


def test_it_learns_what_tells_members_and_gives_their_log_odds():
    signal = drawn(400, 1) + MEMBER[:, None]
    network = fit_network([signal], MEMBER, epochs=40, lr=3e-3)
    fresh = drawn(2000, 1, seed=3) + 0.5
    exact = fresh[:, 0] - 0.5  # two normal distributions, one apart
    assert (network.log_odds([fresh]) - exact).abs().mean() < 0.35


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_learns_what_tells_members(optimizer):
    signal = drawn(400, 1) + 2 * MEMBER[:, None]
    lr = {"adadelta": 1.0, "momentum": 0.02, "sgd": 0.2}.get(optimizer, 3e-3)
    odds = fit_network([signal], MEMBER, epochs=10, lr=lr, optimizer=OPTIMIZERS[optimizer]).log_odds([signal])
    assert odds[MEMBER].mean() > odds[~MEMBER].mean() + 1


def test_the_same_seed_gives_the_same_network_and_leaves_the_global_one_alone():
    parts, before = [drawn(400, 3)], torch.random.get_rng_state()
    first, second, other = (fit_network(parts, MEMBER, epochs=2, seed=seed).log_odds(parts) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(first, other) or (first == 0).all()


def test_where_there_is_nothing_to_add_nothing_is_added():
    noise, offset = drawn(400, 30), torch.where(MEMBER, 3.0, -3.0).double()
    assert (fit_network([noise], MEMBER, offset=offset).log_odds([noise]) == 0).all()


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_a_gain_within_its_error_is_not_taken_for_one(seed):
    noise = torch.randn(100, 3, generator=torch.Generator().manual_seed(seed)).double()
    member = torch.arange(100) % 2 == 0
    free, held = (fit_network([noise], member, offset=of, epochs=4, seed=seed) for of in (None, torch.zeros(100)))
    assert (free.log_odds([noise]) != 0).any()
    assert (held.log_odds([noise]) == 0).all()


def test_what_an_offset_does_not_tell_is_added_to_it():
    signal = 3 * drawn(400, 1) * 0 + 4 * MEMBER[:, None] + drawn(400, 1)
    added = fit_network([signal], MEMBER, offset=torch.zeros(400).double()).log_odds([signal])
    assert added[MEMBER].mean() > 1 > -1 > added[~MEMBER].mean()


def test_each_epoch_tells_how_well_the_network_stands():
    seen = []
    signal = drawn(400, 1) + 4 * MEMBER[:, None]
    fit_network([signal], MEMBER, epochs=5, each_epoch=lambda epoch, network, right: seen.append((epoch, right)))
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5]
    assert 0.9 < seen[-1][1] <= 1


def test_uneven_numbers_of_members_do_not_move_the_odds():
    few = torch.arange(400) % 4 == 0
    signal = drawn(400, 1)
    assert fit_network([signal], few, epochs=20).log_odds([signal]).mean().abs() < 0.3


def test_too_few_known_records_are_refused():
    with pytest.raises(InputError, match="10 or more known members, and as many non-members, found 4"):
        fit_network([drawn(400, 1)], torch.arange(400) < 4)
