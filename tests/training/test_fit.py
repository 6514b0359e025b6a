import threading
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training import batched, fit
from ml_privacy_meter.training.fit import AT, fit_models, models_at_once
from ml_privacy_meter.training.recipe import Recipe, fresh, from_factory
from ml_privacy_meter.training.side import side_by_side

RNG = Generator().manual_seed(0)
X = torch.randn(120, 12, generator=RNG)
Y = torch.randint(4, (120,), generator=RNG)
IMAGES = torch.randint(256, (120, 8, 8, 3), dtype=torch.uint8, generator=RNG)
SEEDS = [5, 6, 7]


def halves(*sizes):
    inside = torch.zeros(120, len(sizes), dtype=torch.bool)
    for j, size in enumerate(sizes):
        inside[torch.randperm(120, generator=Generator().manual_seed(j))[:size], j] = True
    return inside


INSIDE = halves(60, 60, 60)


class Residual(nn.Module):
    """As people write them: functional dropout, a shape that is asked for, a weight used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.inner, self.out = nn.Linear(12, 16), nn.Linear(16, 16, bias=False), nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.into(x.view(x.size(0), -1)))
        x = x + self.inner(F.dropout(self.inner(x), 0.25, self.training))
        return self.out(x)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.out = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.out(self.second(self.first(x).tanh()).tanh())


def dropout():
    return nn.Sequential(
        nn.Linear(12, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 16), nn.Dropout(), nn.Linear(16, 4)
    )


def normalised():
    return nn.Sequential(nn.Linear(12, 16), nn.BatchNorm1d(16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4))


def convolutional():
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.3)),
        nn.Linear(32, 4),
    )


def one_output():
    return nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1))


def pixels(batch):
    return batch.permute(0, 3, 1, 2) / 255


def builder(make):
    return partial(from_factory, make)


def largest_difference(some, others):
    assert [state.keys() for state in some] == [state.keys() for state in others]
    return max(float((a[k].double() - b[k]).abs().max()) for a, b in zip(some, others, strict=True) for k in a)


SGD = {"optimizer": "sgd", "lr": 0.05}
ADAM = {"optimizer": "adam", "lr": 0.01}
WORLDS = {
    "dropout, Adam, weight decay": (dropout, X, Y, {**ADAM, "weight_decay": 0.01}),
    "dropout, AdamW, constant": (
        dropout,
        X,
        Y,
        {**ADAM, "optimizer": "adamw", "weight_decay": 0.1, "schedule": "constant"},
    ),
    "dropout, SGD": (dropout, X, Y, {**SGD, "weight_decay": 0.01}),
    "dropout, bfloat16": (dropout, X, Y, {**SGD, "precision": "bf16"}),
    "normalisation": (normalised, X, Y, SGD),
    "normalisation, bfloat16": (normalised, X, Y, {**SGD, "precision": "bf16"}),
    "functional": (Residual, X, Y, ADAM),
    "tied weights": (Tied, X, Y, ADAM),
    "convolutions, augmented": (convolutional, IMAGES, Y, {**SGD, "augment": ("flip", "crop")}),
    "two classes, one output": (one_output, X, Y % 2, ADAM),
    "several labels": (dropout, X, F.one_hot(Y).bool(), ADAM),
    "a quantity": (one_output, X, X.sum(1), SGD),
}


@pytest.fixture
def cores():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("world", WORLDS)
def test_models_come_out_as_each_does_alone(world, cores, monkeypatch):
    cores(1)
    make, x, y, settings = WORLDS[world]
    recipe = Recipe(**{"precision": "fp32", "epochs": 3, "batch_size": 16, **settings})
    common = {"feed": pixels} if x is IMAGES else {}
    alone = [fit_models(recipe, builder(make), x, y, INSIDE[:, [j]], [s], **common)[0] for j, s in enumerate(SEEDS)]
    monkeypatch.setattr(fit, "alone", None)  # so that none is trained in this way now
    together = fit_models(recipe, builder(make), x, y, INSIDE, SEEDS, _at_once=3, **common)
    start = [builder(make)(seed).state_dict() for seed in SEEDS]
    assert largest_difference(together, start) > 0.01
    assert largest_difference(together, alone) < (5e-3 if recipe.precision == "bf16" else 1e-5)


@pytest.mark.parametrize("make", [dropout, convolutional])
def test_models_side_by_side_come_out_as_one_after_another(make, cores, monkeypatch):
    recipe = Recipe(epochs=3, batch_size=16, precision="fp32", lr=0.01)
    x, common = (IMAGES, {"feed": pixels}) if make is convolutional else (X, {})
    cores(1)
    alone = [fit_models(recipe, builder(make), x, Y, INSIDE[:, [j]], [s], **common)[0] for j, s in enumerate(SEEDS)]
    threads = set()
    train = fit._train
    monkeypatch.setattr(fit, "_train", lambda *args: threads.add(threading.get_ident()) or train(*args))
    cores(2)
    beside = fit_models(recipe, builder(make), x, Y, INSIDE, SEEDS, _at_once=3 if make is dropout else 2, **common)
    assert len(threads) == (2 if make is dropout else 3)  # the third convolutional one is by itself
    assert torch.get_num_threads() == 2
    assert largest_difference(beside, alone) < 1e-5


def test_what_draws_from_the_random_numbers_that_threads_share_is_trained_one_after_another(cores):
    def make():
        return nn.Sequential(nn.Linear(12, 8), nn.RReLU(), nn.Linear(8, 4))

    recipe, runs = Recipe(epochs=3, batch_size=16), []
    for many in (1, 2):
        cores(many)
        torch.manual_seed(many)
        runs.append(fit_models(recipe, builder(make), X, Y, INSIDE, SEEDS, _at_once=many))
    assert largest_difference(*runs) < 1e-5


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_trainings_side_by_side_are_stopped(error, cores):
    def interrupt(share):
        raise error

    running = threading.active_count()
    cores(2)
    with pytest.raises(error):
        fit_models(Recipe(epochs=10**6), builder(dropout), X, Y, INSIDE, SEEDS, progress=interrupt)
    assert threading.active_count() == running
    assert torch.get_num_threads() == 2


def test_one_of_those_side_by_side_that_fails_stops_the_others():
    def fail(report):
        raise InputError("no")

    def go_on(report):
        while True:
            report(0.5)

    with pytest.raises(InputError, match="no"):
        side_by_side([go_on, fail], lambda share: None)


@pytest.mark.parametrize("make", [dropout, normalised])
def test_weights_are_kept_as_they_were_after_an_epoch(make):
    recipe = Recipe(epochs=3, batch_size=16, precision="fp32", lr=0.01, schedule="constant")
    kept = fit_models(recipe, builder(make), X, Y, INSIDE, SEEDS, snapshots=(1, 2))
    for epoch in (1, 2):
        at = AT.format(epoch)
        earlier = [{n.removeprefix(at): w for n, w in state.items() if n.startswith(at)} for state in kept]
        shorter = fit_models(replace(recipe, epochs=epoch), builder(make), X, Y, INSIDE, SEEDS)
        assert largest_difference(earlier, shorter) < 1e-5
    last = [{name: w for name, w in state.items() if "/" not in name} for state in kept]
    assert largest_difference(last, fit_models(recipe, builder(make), X, Y, INSIDE, SEEDS)) == 0


def test_training_sets_may_differ_in_size():
    recipe, inside = Recipe(epochs=2, batch_size=16, precision="fp32"), halves(60, 33, 60)
    together = fit_models(recipe, builder(dropout), X, Y, inside, SEEDS)
    alone = [fit_models(recipe, builder(dropout), X, Y, inside[:, [j]], [s])[0] for j, s in enumerate(SEEDS)]
    assert largest_difference(together, alone) < 1e-5


def test_what_cannot_be_batched_is_trained_one_after_another():
    def make():
        return nn.Sequential(nn.Linear(12, 8), nn.SELU(), nn.AlphaDropout(), nn.Linear(8, 4))

    recipe = Recipe(epochs=2, batch_size=16)
    together = fit_models(recipe, builder(make), X, Y, INSIDE, SEEDS)
    alone = [fit_models(recipe, builder(make), X, Y, INSIDE[:, [j]], [s])[0] for j, s in enumerate(SEEDS)]
    assert largest_difference(together, alone) == 0


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
@pytest.mark.parametrize("at_once", [1, 2])
def test_whole_batches_give_what_a_plain_loop_gives(name, kind, at_once):
    recipe = Recipe(optimizer=name, lr=0.01, weight_decay=0.1, epochs=20, batch_size=60, precision="fp32")
    found = fit_models(recipe, builder(one_output), X, X.sum(1), INSIDE[:, :2], [1, 2], _at_once=at_once)
    for j, seed in enumerate([1, 2]):
        model = builder(one_output)(seed)
        optimizer = kind(model.parameters(), lr=0.01, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
        for _ in range(20):
            optimizer.zero_grad()
            F.mse_loss(model(X[INSIDE[:, j]])[:, 0], X[INSIDE[:, j]].sum(1)).backward()
            optimizer.step()
            schedule.step()
        assert largest_difference([found[j]], [model.state_dict()]) < 1e-5


def test_an_epoch_sees_each_record_once_but_for_fewer_than_one_a_batch():
    seen = []

    def feed(batch):
        seen.append(batch[:, 0].int())
        return batch

    x, inside = torch.arange(120.0)[:, None].repeat(1, 12), halves(34)
    fit_models(Recipe(epochs=1, batch_size=16), builder(dropout), x, Y, inside, [0], feed=feed)
    assert [len(batch) for batch in seen] == [11, 11, 11]
    assert len(torch.cat(seen).unique()) == 33
    assert inside[torch.cat(seen), 0].all()


def test_a_seed_decides_and_nothing_else_that_is_random():
    recipe, one = Recipe(epochs=1, batch_size=16), INSIDE[:, :1]
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit_models(recipe, builder(dropout), X, Y, one, [1])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert largest_difference(fit_models(recipe, builder(dropout), X, Y, one, [1]), first) == 0
    assert largest_difference(fit_models(recipe, builder(dropout), X, Y, one, [2]), first) > 0.01


def test_a_model_learns_its_own_records():
    model, recipe = dropout(), Recipe(epochs=150, lr=0.01, batch_size=32)
    for j, state in enumerate(fit_models(recipe, builder(dropout), X, Y, INSIDE, SEEDS)):
        model.load_state_dict(state)
        right = model.eval()(X).argmax(1) == Y
        assert right[INSIDE[:, j]].double().mean() > right[~INSIDE[:, j]].double().mean() + 0.3


@pytest.mark.parametrize(("at_once", "threads", "least"), [(1, 1, 4), (3, 1, 4), (2, 2, 1)])
def test_progress_rises_to_one(at_once, threads, least, cores):
    told, recipe = [], Recipe(epochs=2, batch_size=30)
    cores(threads)
    fit_models(recipe, builder(dropout), X, Y, INSIDE, SEEDS, progress=told.append, _at_once=at_once)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert len(told) >= least


def test_weights_that_are_no_longer_finite_are_refused():
    with pytest.raises(InputError, match=r"Choose a smaller `lr`"):
        fit_models(Recipe(optimizer="sgd", lr=1e30, epochs=3), builder(one_output), X, X.sum(1), INSIDE, SEEDS)


def test_a_model_without_records_is_refused():
    with pytest.raises(InputError, match="found none for model 1"):
        fit_models(Recipe(), builder(dropout), X, Y, halves(60, 0, 60), SEEDS)


@pytest.mark.parametrize("cores", [1, 2])
def test_networks_of_linear_layers_share_a_core_and_others_have_their_own(cores, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    at_once = partial(models_at_once, Recipe(), x=X, device="cpu")
    assert at_once(dropout()) == fit.MOST
    assert at_once(nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 256))) == 21
    assert at_once(nn.Linear(10_000, 1_000)) == cores
    assert at_once(convolutional()) == cores
    assert at_once(nn.LSTM(12, 4)) == cores


def test_views_that_lead_back_are_not_recorded():
    models = batched.stack([dropout(), dropout()], [Generator(), Generator()], device=torch.device("cpu"), low=False)
    graphs = {}
    assert batched.batchable(models, fit.mean_loss, X[:32].view(2, 16, 12), Y[:32].view(2, 16), graphs)
    ((graph, masks),) = graphs.values()
    called = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert called.count("aten.baddbmm.default") == 3
    assert not [name for name in called if "permute" in name or "detach" in name]
    assert [p for *_, p in masks] == [0.3, 0.5]


BAD = {
    "Did you mean `adam`": {"optimizer": "adm"},
    "Did you mean `cosine`": {"schedule": "cosin"},
    "Did you mean `flip`": {"augment": ["flipp"]},
    'Write \\["flip"\\]': {"augment": "flip"},
    "Choose from: auto, bf16, fp32": {"precision": "half"},
    "`lr` must lie between 0": {"lr": 0.0},
    "`epochs` must be a whole number": {"epochs": 0},
    "`batch_size` must be a whole number": {"batch_size": 0},
    "`momentum` must be at least 0 and below 1": {"momentum": 1.0},
    "`weight_decay` must be at least 0": {"weight_decay": -1.0},
    '"package.module:factory"': {"architecture": "resnet"},
}


@pytest.mark.parametrize("message", BAD)
def test_a_recipe_says_what_is_wrong_with_it(message):
    with pytest.raises(InputError, match=message):
        Recipe(**BAD[message])


@pytest.mark.parametrize("make", [dropout, convolutional, lambda: nn.TransformerEncoderLayer(8, 2)])
def test_a_fresh_copy_follows_from_its_seed_and_leaves_the_module_alone(make):
    module = make()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    one, same, other = (fresh(module, seed).state_dict() for seed in (1, 1, 2))
    assert largest_difference([one], [same]) == 0
    assert largest_difference([one], [other]) > 0.01
    assert largest_difference([one], [before]) > 0.01
    assert largest_difference([module.state_dict()], [before]) == 0


def test_a_fresh_batch_normalisation_has_seen_nothing():
    module = nn.Sequential(nn.BatchNorm1d(12))
    module(X)
    assert int(fresh(module, 0).state_dict()["0.num_batches_tracked"]) == 0


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale, self.linear = nn.Parameter(torch.ones(3)), nn.Linear(3, 3)


class Shifted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.ones(3))


@pytest.mark.parametrize("module", [Scaled(), nn.Sequential(nn.Linear(3, 3), Shifted())])
def test_a_part_that_cannot_be_initialised_anew_is_named(module):
    with pytest.raises(InputError, match=r"(Scaled|`1`, a Shifted), has none.* as `architecture`"):
        fresh(module, 0)


def test_an_exported_program_is_not_initialised_anew():
    program = torch.export.export(dropout(), (X[:2],)).module()
    with pytest.raises(InputError, match="does not say how its weights were initialised"):
        fresh(program, 0)


def test_models_may_each_have_labels_of_their_own():
    own = torch.stack([Y, (Y + 1) % 4, Y.flip(0)])
    recipe = Recipe(epochs=3, batch_size=20, lr=0.01, precision="fp32")

    def build(seed):
        return from_factory(lambda: nn.Linear(12, 4), seed)

    together = fit_models(recipe, build, X, Y, INSIDE, SEEDS, own=own)
    for j, labels in enumerate(own):
        (alone,) = fit_models(recipe, build, X, labels, INSIDE[:, [j]], [SEEDS[j]])
        torch.testing.assert_close(together[j]["weight"], alone["weight"], rtol=1e-4, atol=1e-5)
