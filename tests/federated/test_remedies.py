"""Remedies do what they say: the norm that is left, the size and place of noise, and what is guaranteed of it."""

import math
from dataclasses import replace

import pytest
import torch
from federated_clients import clients, close, files, linear, normalised, same

from ml_privacy_meter import InputError, defenses, federated, guarantees
from ml_privacy_meter.federated import federate, fedsgd
from ml_privacy_meter.federated.remedies import clipped, noised, norm
from ml_privacy_meter.traces import Trace


def run(tmp_path, *remedies, sizes=(9, 9, 9), rounds=1, to="t", model=linear, **settings) -> Trace:
    settings = {"recipe": fedsgd()} | settings
    return federate(model(), clients(*sizes), to=tmp_path / to, rounds=rounds, remedies=remedies, **settings)


def test_an_update_is_scaled_down_to_the_norm_and_never_up():
    update = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([[4.0]])}
    assert norm(update) == 5
    small = clipped(update, 2.5)
    assert norm(small) == pytest.approx(2.5)
    assert close(small, {name: value / 2 for name, value in update.items()})
    assert same(clipped(update, 7.0), update)
    nothing = {"a": torch.zeros(2)}
    assert same(clipped(nothing, 1.0), nothing)
    with pytest.raises(InputError, match="finite"):
        clipped({"a": torch.tensor([math.inf])}, 1.0)


def test_noise_has_its_deviation_and_the_mean_of_what_was_there():
    update = {"a": torch.full((300, 100), 2.0), "b": torch.full((30_000,), -1.0)}
    found = noised(update, 0.5, torch.Generator().manual_seed(0))
    for name, mean in (("a", 2.0), ("b", -1.0)):
        assert float(found[name].mean()) == pytest.approx(mean, abs=0.02)
        assert float(found[name].std()) == pytest.approx(0.5, rel=0.02)
    left = torch.stack([found["a"].flatten() - 2, found["b"] + 1])
    assert abs(float(torch.corrcoef(left)[0, 1])) < 0.03


def test_clipped_updates_are_those_without_at_a_smaller_norm(tmp_path):
    plain = run(tmp_path, to="plain").rounds[0]
    one = run(tmp_path, federated.clipped_updates(clip=0.01)).rounds[0]
    for name in one.clients:
        assert norm(plain.update(name)) > 0.02
        assert norm(one.update(name)) == pytest.approx(0.01, rel=1e-4)
        assert close(one.update(name), clipped(plain.update(name), 0.01), atol=1e-7)


def test_noise_of_clients_is_their_own_and_of_each_round(tmp_path):
    plain = run(tmp_path, to="plain", rounds=2)
    noisy = run(tmp_path, federated.noisy_updates(deviation=3.0), rounds=2)
    noise = [
        torch.cat([(a - b).flatten() for a, b in zip(seen.update(n).values(), was.update(n).values(), strict=True)])
        for seen, was in zip(noisy.rounds, plain.rounds, strict=True)
        for n in seen.clients
    ]
    assert all(not torch.allclose(a, b, atol=0.1) for i, a in enumerate(noise) for b in noise[:i])
    first = torch.stack(noise[:3])  # of the first round: later ones begin elsewhere
    assert 2.2 < float(first.std()) < 3.8


def test_pruned_updates_keep_the_largest_weights_alone(tmp_path):
    plain = run(tmp_path, to="plain").rounds[0].update("a")
    kept = run(tmp_path, federated.pruned_updates(share=0.75)).rounds[0].update("a")
    was, now = (torch.cat([value.flatten() for value in update.values()]) for update in (plain, kept))
    left = now != 0
    assert int(left.sum()) == 18 - round(0.75 * 18)
    assert torch.allclose(now[left], was[left])
    assert float(was[left].abs().min()) >= float(was[~left].abs().max())


def test_remedies_follow_each_other_in_their_order(tmp_path):
    noise, clip = federated.noisy_updates(deviation=5.0), federated.clipped_updates(clip=0.01)
    assert norm(run(tmp_path, noise, clip).rounds[0].update("a")) == pytest.approx(0.01, rel=1e-3)
    assert norm(run(tmp_path, clip, noise, to="u").rounds[0].update("a")) > 1


def test_the_server_clips_each_update_and_divides_their_sum_by_the_number_that_is_expected():
    remedy = federated.central_dp(noise_multiplier=1e-9, clip=0.5)
    updates = [{"w": torch.tensor([3.0, 4.0])}, {"w": torch.tensor([0.0, 0.1])}]
    assert remedy.server is not None
    found = remedy.server(updates, 4.0, {"w": torch.zeros(2)}, torch.Generator())
    assert close(found, {"w": torch.tensor([0.3, 0.4 + 0.1]) / 4}, atol=1e-6)


def test_a_server_that_adds_noise_sees_updates_as_they_are_and_counts_all_alike(tmp_path):
    plain = run(tmp_path, to="plain", sizes=(3, 9, 30)).rounds[0]
    seen = run(tmp_path, federated.central_dp(noise_multiplier=1.0, clip=0.05), sizes=(3, 9, 30)).rounds[0]
    assert set(seen.shares.values()) == {1 / 3}
    assert all(close(seen.update(name), plain.update(name), atol=1e-7) for name in seen.clients)


def test_clients_that_add_noise_for_a_guarantee_do_not_tell_how_many_records_they_hold(tmp_path):
    trace = run(tmp_path, federated.local_dp(noise_multiplier=1.0), sizes=(3, 9, 30))
    assert set(trace.rounds[0].shares.values()) == {1 / 3}
    others = run(tmp_path, federated.local_dp(noise_multiplier=1.0), sizes=(5, 5, 11), to="others")
    assert {**trace.says, "key": ""} == {**others.says, "key": ""}
    assert run(tmp_path, sizes=(3, 9, 30), to="plain").says["records"] == {"a": 3, "b": 9, "c": 30}


@pytest.mark.parametrize("remedy", [federated.local_dp(noise_multiplier=1.0), federated.pruned_updates(share=0.5)])
def test_what_clients_send_is_of_the_type_of_the_weights(tmp_path, remedy):
    (one,) = run(tmp_path, remedy).rounds
    assert {value.dtype for value in one.update("a").values()} == {torch.float32}


def test_noise_of_the_server_is_of_the_clip_over_the_expected_clients(tmp_path):
    def wide() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Linear(5, 4000)

    remedy = federated.central_dp(noise_multiplier=2.0, clip=0.1)
    trace = run(tmp_path, remedy, sizes=(3, 3, 3, 3), participation=0.5, model=wide, rounds=3)
    names = [set(one.clients) for one in trace.rounds]
    assert any(len(taken) != 2 for taken in names)  # the divisor hangs on nobody's coin
    after = [one.before() for one in trace.rounds[1:]] + [trace.final()]
    for one, now in zip(trace.rounds, after, strict=True):
        parts = [clipped(one.update(name), 0.1) for name in one.clients]
        for n, value in one.before().items():
            noise = now[n] - value - sum((update[n] for update in parts), torch.zeros_like(value)) / 2
            assert float(noise.std()) == pytest.approx(2.0 * 0.1 / 2, rel=0.06)


def test_noise_of_the_server_is_the_same_where_a_killed_training_goes_on(tmp_path):
    remedy = federated.central_dp(noise_multiplier=1.0)
    whole = run(tmp_path, remedy, rounds=3, to="whole")
    run(tmp_path, remedy, rounds=3)
    for name in ("round-00002.safetensors", "final.safetensors"):
        (tmp_path / "t" / name).unlink()
    assert files(run(tmp_path, remedy, rounds=3)) == files(whole)


def test_what_is_guaranteed_to_clients_is_the_loss_of_their_sampled_noise(tmp_path):
    trace = run(tmp_path, federated.central_dp(noise_multiplier=1.3), rounds=4, participation=0.5)
    (kept,) = trace.says["guarantees"]
    wanted = guarantees.dp_sgd(noise_multiplier=1.3, sample_rate=0.5, steps=4).epsilon(1e-5)
    assert kept["epsilon"] == pytest.approx(wanted)
    assert (kept["unit"], kept["delta"], kept["steps"]) == ("client", 1e-5, 4)
    assert "not towards the server" in kept["towards"]


def test_a_client_that_adds_its_own_noise_gains_nothing_from_others_staying_away(tmp_path):
    trace = run(tmp_path, federated.local_dp(noise_multiplier=4.0, clip=0.1), rounds=2, participation=0.5)
    (kept,) = trace.says["guarantees"]
    wanted = guarantees.gaussian(mu=math.sqrt(2) / 4.0).epsilon(1e-5)  # two releases, without any sampling
    assert kept["epsilon"] == pytest.approx(wanted, rel=0.01)
    assert kept["sample_rate"] == 1


def test_next_to_no_noise_guarantees_nothing(tmp_path):
    trace = run(tmp_path, federated.central_dp(noise_multiplier=1e-6))
    assert trace.says["guarantees"][0]["epsilon"] == math.inf
    assert math.inf == Trace.open(trace.folder).says["guarantees"][0]["epsilon"]


def test_local_noise_is_of_the_clip(tmp_path):
    plain = run(tmp_path, to="plain").rounds[0]
    one = run(tmp_path, federated.local_dp(noise_multiplier=2.0, clip=0.5)).rounds[0]
    noise = [
        (value - clipped(plain.update(name), 0.5)[n]).flatten()
        for name in one.clients
        for n, value in one.update(name).items()
    ]
    assert 0.75 < float(torch.cat(noise).std()) < 1.25


@pytest.mark.parametrize(
    "remedy", [federated.central_dp(noise_multiplier=1.0), federated.local_dp(noise_multiplier=1.0)]
)
def test_buffers_that_follow_from_records_void_a_guarantee_and_are_refused(tmp_path, remedy):
    with pytest.raises(InputError, match="group in place of batch normalisation"):
        run(tmp_path, remedy, model=normalised, sizes=(20, 20))
    run(tmp_path, federated.pruned_updates(share=0.5), model=normalised, sizes=(20, 20), to="u")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_too_coarse_for_clip_and_noise_are_refused(tmp_path, dtype):
    for remedy in (federated.local_dp(noise_multiplier=1.0), federated.central_dp(noise_multiplier=1.0)):
        with pytest.raises(InputError, match=r"model\.float"):
            run(tmp_path, remedy, model=lambda: linear().to(dtype))


def test_weights_that_are_frozen_get_no_noise(tmp_path):
    def half_frozen() -> torch.nn.Module:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
        model[0].requires_grad_(False)
        return model

    for remedy in (federated.local_dp(noise_multiplier=9.0), federated.central_dp(noise_multiplier=9.0)):
        trace = run(tmp_path, remedy, model=half_frozen, to=remedy.name)
        assert torch.equal(trace.final()["0.weight"], half_frozen()[0].weight)
        assert not torch.allclose(trace.final()["1.weight"], half_frozen()[1].weight, atol=0.5)


@pytest.mark.filterwarnings("ignore:Secure RNG turned off", "ignore:Full backward hook is firing")
def test_dp_sgd_of_clients_is_accounted_over_all_rounds(tmp_path):
    defense = defenses.dp_sgd(noise_multiplier=2.0, delta=1e-3)
    trace = run(tmp_path, defense, sizes=(12, 30), rounds=3, local_epochs=2, recipe=federated.FEDAVG)
    (kept,) = trace.says["guarantees"]
    wanted = guarantees.dp_sgd(noise_multiplier=2.0, sample_rate=1.0, steps=6).epsilon(1e-3)
    assert kept["unit"] == "record"
    assert kept["epsilon"] == pytest.approx(wanted)
    assert not close(trace.final(), run(tmp_path, sizes=(12, 30), rounds=3, local_epochs=2, to="u").final(), atol=0.01)


@pytest.mark.filterwarnings("ignore:Secure RNG turned off", "ignore:Full backward hook is firing")
@pytest.mark.parametrize("delta", [None, 1e-2])
def test_clients_of_different_sizes_are_held_to_one_delta(tmp_path, delta):
    defense = defenses.dp_sgd(noise_multiplier=1.0, delta=delta)
    sizes, recipe = (8, 12), replace(federated.FEDAVG, batch_size=4)  # by themselves at 1e-1 and at 1e-2
    (kept,) = run(tmp_path, defense, sizes=sizes, rounds=2, recipe=recipe).says["guarantees"]
    at = [
        guarantees.dp_sgd(noise_multiplier=1.0, sample_rate=4 / size, steps=2 * size // 4).epsilon(1e-2)
        for size in sizes
    ]
    assert at[0] > at[1] + 0.05
    assert kept["epsilon"] == pytest.approx(max(at))
    assert (kept["delta"], kept["sample_rate"], kept["steps"]) == (1e-2, 0.5, 4)


def test_noise_that_follows_from_an_epsilon_of_one_round_is_refused(tmp_path):
    with pytest.raises(InputError, match="`noise_multiplier` in place of `epsilon`"):
        run(tmp_path, defenses.dp_sgd(epsilon=3.0), rounds=3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: federated.central_dp(noise_multiplier=0.0), "`noise_multiplier`"),
        (lambda: federated.local_dp(noise_multiplier=1.0, clip=-1.0), "`clip`"),
        (lambda: federated.local_dp(noise_multiplier=1.0, delta=0.0), "`delta`"),
        (lambda: federated.clipped_updates(clip=0.0), "`clip`"),
        (lambda: federated.noisy_updates(deviation=0.0), "`deviation`"),
        (lambda: federated.pruned_updates(share=1.0), "`share`"),
    ],
)
def test_settings_out_of_range_are_refused(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_one_remedy_of_the_server_is_enough(tmp_path):
    with pytest.raises(InputError, match="one the server's"):
        run(tmp_path, *[federated.central_dp(noise_multiplier=1.0)] * 2)


def test_a_remedy_says_what_it_is():
    assert str(federated.pruned_updates(share=0.5)) == "pruned_updates(share=0.5)"
    assert "nothing is guaranteed" in federated.noisy_updates(deviation=1.0).says
