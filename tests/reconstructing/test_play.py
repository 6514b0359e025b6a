import json
from dataclasses import replace
from functools import partial
from importlib.resources import files

import numpy as np
import pytest
import torch
from blobs import gradient, images, linear, smooth, trained
from jsonschema import Draft202012Validator
from torch import nn

from ml_privacy_meter import InputError, reconstruct
from ml_privacy_meter.reconstructing import together
from ml_privacy_meter.reconstruction import DoesNotApplyError, analytic, dlg, imprint, imprinted
from ml_privacy_meter.traces import TraceWriter

PUBLIC = images(200, seed=99)
SCHEMA = json.loads(files("ml_privacy_meter.reconstructing").joinpath("schema.json").read_text())


def _of(batch, count=1, model=None, attacks=(analytic,), **settings):
    model = linear(batch) if model is None else model
    x, y = images(count, seed=batch), torch.arange(count) % 4
    return reconstruct(model, gradient(model, x, y), (x, y), public=PUBLIC, attacks=attacks, **settings)


def blind(view):
    """Public images, in their order.

    Sees: public images.
    """
    return view.public[: view.count]


def breaks(view):
    """Nothing."""
    raise RuntimeError("no such thing")


def hides(view):
    raise DoesNotApplyError("Not here.")


ALL = together([_of(seed, attacks=(analytic, imprint, blind)) for seed in range(8)])


def test_an_exact_attack_shows_a_leak_and_a_blind_one_does_not():
    figures = {risk.name: risk for risk in ALL.risks("analytic")}
    assert figures["median PSNR"].low > 60
    assert figures["median PSNR"].baseline == pytest.approx(
        float(torch.cat([batch.nearest.psnr for batch in ALL.batches]).quantile(0.5, interpolation="midpoint"))
    )
    assert figures["above 30 dB"].value == 1
    assert figures["median SSIM"].value > 0.99
    assert ALL.shows("analytic")
    assert not ALL.shows("blind")
    assert ALL.risks("blind")[-1].value == 0


def _shows(*likeness, nearest=15.0, differ=20):
    """Whether a leak is shown by guesses of these PSNRs."""
    made = [_of(batch) for batch in range(len(likeness))]

    def as_psnr(match, value):
        return replace(match, psnr=torch.tensor([value]).double())

    batches = tuple(
        replace(
            batch,
            differ=differ,
            nearest=as_psnr(batch.nearest, nearest),
            mean=as_psnr(batch.mean, 10.0),
            played=(replace(batch.played[0], match=as_psnr(batch.played[0].match, value)),),
        )
        for value, batch in zip(likeness, (one.batches[0] for one in made), strict=True)
    )
    return replace(made[0], batches=batches).shows("analytic")


def test_one_record_that_no_luck_explains_is_a_leak_and_one_near_miss_is_none():
    assert _shows(31.0)
    assert _shows(10.0, 10.0, 31.0)
    assert not _shows(29.0)
    assert not _shows(31.0, nearest=22.0)
    assert not _shows(16.0)
    assert not _shows(*[16.0] * 2, *[10.0] * 8)
    assert _shows(*[16.0] * 8)


def test_beside_few_public_images_nothing_is_said_of_a_leak():
    for likeness in (16.0, 120.0):
        assert _shows(*[likeness] * 8, differ=19) is None
        assert _shows(*[likeness] * 8, differ=20)


@pytest.mark.parametrize(
    "public",
    [images(19, seed=99), images(1, seed=99).expand(300, 1, 8, 8) + torch.linspace(0, 1e-3, 300)[:, None, None, None]],
    ids=["few", "many that are near equal"],
)
def test_a_blind_guess_beside_few_public_images_shows_no_leak(public):
    def flat(view):
        """The same grey everywhere."""
        return torch.full((view.count, *view.shape), 0.25)

    results = []
    for batch in range(12):
        model, x, y = linear(batch), images(4, seed=batch), torch.arange(4)
        change = gradient(model, x, y)
        results.append(reconstruct(model, change, (x, y), public=public.clamp(max=1), attacks=(flat,)))
    result = together(results)
    assert result.shows("flat") is None
    assert result.document["attacks"][0]["shows"] is None
    Draft202012Validator(SCHEMA).validate(result.document)
    assert "cannot be said: fewer than 20 public images differ" in " ".join(str(result).split())


def test_baselines_are_always_there():
    assert [risk.value for risk in ALL.risks("nearest public image")][-1] == 0
    assert [one["name"] for one in ALL.document["baselines"]] == ["nearest public image", "mean public image"]
    assert all(len(one["figures"]) == 5 for one in ALL.document["baselines"])
    assert [line.split()[:2] for line in str(ALL).splitlines() if " public " in line[:20]] == [
        ["nearest", "public"],
        ["mean", "public"],
    ]


def test_what_does_not_apply_says_why_and_is_no_failure():
    assert ALL.failed == ()
    assert not ALL.risks("imprint")
    said = next(one for one in ALL.document["attacks"] if one["attack"] == "imprint")
    assert not said["applies"]
    assert "`imprinted`" in said["reason"]


def test_what_breaks_is_in_the_result_as_failed():
    result = _of(0, attacks=(breaks, analytic))
    assert [one.reason for one in result.failed] == ["RuntimeError: no such thing"]
    assert "breaks failed: RuntimeError: no such thing" in str(result)
    assert result.risks("analytic")
    assert ["breaks", *["failed"] * 5] in [line.split() for line in str(result).splitlines()]


def test_an_attack_that_breaks_on_some_batches_has_figures_of_the_others_alone():
    def sometimes(view):
        """Exact, or nothing."""
        return breaks(view) if view.seed % 3 == 0 else analytic(view)

    def of(seeds, attack):
        return together([_of(seed, 2 if seed % 3 == 0 else 1, attacks=(attack,), seed=seed) for seed in seeds])

    result, whole = of(range(6), sometimes), of((1, 2, 4, 5), analytic)
    for found, expected in zip(result.risks("sometimes"), whole.risks("analytic"), strict=True):
        assert found == expected
    assert [match is None for match in result.matches("sometimes")] == [True, False, False] * 2
    said = result.document["attacks"][0]
    assert (said["failed"], said["batches_failed"], said["found"]) == ("RuntimeError: no such thing", 2, 4)
    assert (said["applies"], said["reason"], said["shows"]) == (True, "", True)
    assert "failed on 2 of 6 batches; its figures are of the others" in " ".join(str(result).split())
    Draft202012Validator(SCHEMA).validate(result.document)


def test_where_an_attack_applies_to_some_batches_the_mean_stands_for_the_others():
    def sometimes(view):
        """Now and then."""
        return blind(view) if view.seed else hides(view)

    both = together([_of(1, attacks=(sometimes,), seed=seed) for seed in (0, 1)])
    first, second = both.matches("sometimes")
    assert torch.equal(first.psnr, both.batches[0].mean.psnr)
    assert torch.equal(second.guess[0], PUBLIC[0].double())


def test_all_attacks_that_apply_are_played_by_default():
    names = _of(0, attacks=None).attacks
    assert names == ("analytic", "imprint", "dlg", "cosine")


def test_the_document_is_what_its_schema_says_and_each_field_is_described():
    for result in (ALL, _of(0, attacks=(breaks,)), _of(0, count=2, known_labels=True, attacks=(blind,))):
        Draft202012Validator(SCHEMA).validate(result.document)

    def walk(schema, path):
        for name, field in schema.get("properties", {}).items():
            assert "description" in field or "const" in field or "properties" in field, (*path, name)
            walk(field, (*path, name))
        if "items" in schema:
            walk(schema["items"], path)

    walk(SCHEMA, ())
    for part in SCHEMA["$defs"].values():
        walk(part, ())


def test_the_folder_holds_figures_and_no_record(tmp_path):
    where = ALL.save(tmp_path / "found")
    assert [file.name for file in where.iterdir()] == ["reconstruction.json"]
    assert json.loads((where / "reconstruction.json").read_text()) == ALL.document
    ALL.save(where)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError):
        ALL.save(tmp_path / "mine")


def test_two_runs_give_the_same_document():
    quick = (partial(dlg, starts=2, iterations=40),)
    assert _of(3, 2, smooth(), quick).document == _of(3, 2, smooth(), quick).document


def test_an_unknown_label_is_inferred_and_the_result_says_so():
    inferred, known = _of(2, model=smooth()), _of(2, model=smooth(), known_labels=True)
    assert (inferred.assumes["labels"], inferred.document["labels_right"]) == ("inferred", 1.0)
    assert (known.assumes["labels"], known.document["labels_right"]) == ("known to the adversary", None)
    assert 0.25 <= inferred.document["labels_guessed"] < 0.5
    assert known.document["labels_guessed"] is None
    guessed = f"({inferred.document['labels_guessed']:.0%} by a guess that looks at no gradient)"
    assert f"labels inferred, 100% of them rightly {guessed}" in " ".join(str(inferred).split())
    assert "labels known to the adversary" in " ".join(str(known).split())


def test_attacks_are_shown_labels_only_where_they_are_known():
    held = []

    def looks(view):
        """Nothing."""
        held.append(view.labels)
        return blind(view)

    _of(0, 2, attacks=(looks,))
    _of(0, 2, attacks=(looks,), known_labels=True)
    assert held[0] is None
    assert held[1].tolist() == [0, 1]


def test_batch_norm_is_said(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    result = _of(0, 3, model, (blind,))
    assert result.assumes["batch_norm"]
    assert "no statistics of the batch were given" in " ".join(str(result).split())


def test_what_buffers_tell_of_the_batch_is_not_in_the_view():
    model, seen = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 4)), []

    def looks(view):
        """Nothing."""
        seen.append(view.change.keys())
        return blind(view)

    change = {name: torch.ones_like(value) for name, value in model.state_dict().items()}
    reconstruct(
        model, change, (torch.rand(2, 1, 8, 8), torch.tensor([0, 1])), public=torch.rand(9, 1, 8, 8), attacks=(looks,)
    )
    assert seen == [dict(model.named_parameters()).keys()]


def test_a_round_of_a_trace_is_reconstructed_from_what_the_client_was_sent(tmp_path):
    sent, x, y = linear(1), images(1, seed=3), torch.tensor([2])
    update = trained(sent, x, y, lr=0.3, steps=4, batch_size=1)
    writer = TraceWriter(tmp_path / "trace", {"lr": 0.3})
    writer.add(linear(0).state_dict(), {"a": update}, sent={"a": sent.state_dict()})
    seen = writer.finish(linear(0).state_dict()).rounds[0]
    given = {"public": PUBLIC, "lr": 0.3, "local_steps": 4, "attacks": (analytic,)}
    result = reconstruct(linear(0), seen.update("a"), (x, y), weights=seen.sent("a"), **given)
    assert result.risks("analytic")[0].value > 60
    assert result.assumes["change"] == "an update"
    assert result.assumes["local_steps"] == 4


def test_an_imprint_layer_is_read(tmp_path):
    model = imprinted(smooth(), PUBLIC, bins=64)
    result = _of(1, 8, model, (imprint,))
    assert {risk.name: risk.value for risk in result.risks("imprint")}["above 30 dB"] >= 0.5
    assert result.shows("imprint")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (images(2), r"a pair \(x, y\)"),
        ((images(2), torch.zeros(3, dtype=torch.long)), "one class a record"),
        ((images(2), torch.zeros(2)), "one class a record"),
    ],
)
def test_records_are_a_pair_with_classes(records, message):
    model = linear()
    with pytest.raises(InputError, match=message):
        reconstruct(model, gradient(model, images(2), torch.tensor([0, 1])), records, public=PUBLIC)


def test_weights_must_fit_the_model():
    model = linear()
    change = gradient(model, images(1), torch.tensor([0]))
    with pytest.raises(InputError, match="`state_dict`"):
        reconstruct(model, change, (images(1), torch.tensor([0])), public=PUBLIC, weights=smooth().state_dict())


def test_numpy_arrays_do_as_well():
    model, x, y = linear(), images(1), torch.tensor([0])
    given = {"public": PUBLIC.numpy(), "attacks": (analytic,)}
    result = reconstruct(model, gradient(model, x, y), (x.numpy(), np.array([0])), **given)
    assert result.risks("analytic")[0].value > 60


def test_only_like_results_go_together():
    with pytest.raises(InputError, match="attacks and settings are the same"):
        together([_of(0), _of(0, known_labels=True)])
    with pytest.raises(InputError, match="at least one result"):
        together([])
    assert len(together([_of(0, 1), _of(1, 1)]).batches) == 2


def test_batches_of_different_sizes_go_together():
    both = together([_of(0, 1), _of(1, 3)])
    assert both.assumes["records"] == [1, 3]
    assert both.assumes["public"] == [200, 200]
    assert [risk.trials for risk in both.risks("analytic")] == [4] * 5
    labels = [batch.labels.right for batch in both.batches]
    assert both.document["labels_right"] == pytest.approx((labels[0] + 3 * labels[1]) / 4)
    Draft202012Validator(SCHEMA).validate(both.document)


def test_a_client_in_many_rounds_counts_its_records_once():
    rounds = together([_of(0, 2, model=linear(seed)) for seed in range(5)])
    assert rounds.risks("analytic")[1].note == (
        "10 values are of 2 records, played more than once; each counts once. "
        "One batch alone does not show how alike its records fare: they count as independent."
    )
    assert "10 values are of 2 records" in str(rounds)
    alone = together([_of(0, model=linear(seed)) for seed in range(8)])
    assert (alone.risks("analytic")[-1].low, alone.risks("analytic")[-1].value) == (pytest.approx(0.025), 1)
    assert ALL.risks("analytic")[-1].low > 0.6
    assert not ALL.risks("analytic")[-1].note


def test_an_unknown_attack_names_those_there_are():
    with pytest.raises(InputError, match="there are: analytic, imprint, blind"):
        ALL.risks("dlg")
