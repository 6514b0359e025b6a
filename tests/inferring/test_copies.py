"""A model's copying, played and measured: shown where it can be copied, not where it cannot, and figured right."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from copied_worlds import WIDE, Constant, Hashed, points
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from ml_privacy_meter import InputError, as_records, open_model, targets
from ml_privacy_meter.defenses import label_only, rounding, top_k
from ml_privacy_meter.extraction import Linear, random_records
from ml_privacy_meter.inferring.copies import extract_model
from ml_privacy_meter.inferring.served import form_of

QUICK = {"learner": "linear", "noise": 200, "budgets": (20, 60), "device": "cpu"}
MEMBERS, OTHERS = (points(40, 1), torch.arange(40) % 3), (points(400, 2), torch.arange(400) % 3)


def untrained(seed=0, wide=WIDE, classes=3):
    """A linear model that knows nothing of any label: whatever a copy has of it, it has by asking."""
    torch.manual_seed(seed)
    model = nn.Linear(wide, classes).double()
    with torch.no_grad():
        model.weight.mul_(5)
    return model


def figures(found, attack):
    return {risk.name: risk for risk in found.risks[attack].values()}


@pytest.fixture(scope="module")
def copied():
    return extract_model(untrained(), MEMBERS, OTHERS, **QUICK)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64"])
def test_a_linear_model_of_rare_marks_is_copied_by_asking_only_for_what_it_takes(kind):
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.random((200, 8)) < [0.1, 0.1, 0.3, 0.3, 0.5, 0.7, 0.9, 0.9]).astype(kind)
    x.columns = list("abcdefgh")
    y = (x.to_numpy(float) @ rng.normal(size=8) + 0.5 * rng.normal(size=200) > 0).astype(int)
    model = LogisticRegression(C=10).fit(x[:100], y[:100])
    game = extract_model(model, (x[:100], y[:100]), (x[100:], y[100:]), attacks=["solve_linear"], budgets=[9, 40])
    assert game.risks["solve_linear"]["fidelity"].value == 1
    assert game.risks["solve_linear"]["weights recovered (digits)"].value > 8


def test_what_can_only_come_from_the_model_is_found_by_every_attack(copied):
    assert [one.attack for one in copied.tried] == [
        *("solve_linear", "random_records", "random_records(soft=False)", "margin", "k_center", "uniform")
    ]
    assert copied.shows
    for one in copied.tried:
        assert one.shows
        assert one.excess.surely > 0 < one.excess.low
        assert one.excess.note.startswith("On held-out records")
    assert "The model can be copied with at most 60 queries" in copied.verdict
    assert "not by itself of its training records" in copied.verdict


def test_a_copy_of_what_knows_nothing_is_no_better_at_the_task(copied):
    for one in copied.tried:
        risks = {risk.name: risk for risk in one.risks}
        assert risks["accuracy excess"].low < 0
        assert risks["accuracy"].value < 0.5


@pytest.mark.parametrize("model", [Constant, Hashed, None], ids=["constant", "hashed", "noise"])
def test_what_cannot_be_learned_is_not_shown_to_be_copied(model):
    shown = 0
    for seed in range(5):
        rng = torch.Generator().manual_seed(seed)

        def noise(x, rng=rng):
            return torch.randn(len(x), 3, generator=rng)

        target = noise if model is None else model(seed) if model is Hashed else model()
        others = points(400, 10 + seed), torch.randint(3, (400,), generator=rng)
        found = extract_model(target, MEMBERS, others, seed=seed, **{**QUICK, "budgets": (40,)})
        assert not any(one.failed for one in found.tried)
        shown += bool(found.shows)
    assert shown <= 1
    assert "may still copy it" in found.verdict


def test_figures_are_shares_of_equal_answers_beside_the_best_without_the_model():
    model, labels, kept = untrained(), OTHERS[1].clone(), []
    with torch.no_grad():
        told = model(OTHERS[0]).argmax(1)
    labels[:280] = told[:280]  # true labels teach something of the model

    def keeping(view):
        """A kept copy."""
        kept.append(random_records(view))
        return kept[-1]

    found = extract_model(model, MEMBERS, (OTHERS[0], labels), attacks=[keeping], **{**QUICK, "budgets": (30,)})
    held = np.random.default_rng(0).permutation(400)[:200]
    x, y = OTHERS[0][held], labels[held]
    with torch.no_grad():
        own = model(x).argmax(1)
    agrees, right = ((kept[0](x).argmax(1) == of).double().mean() for of in (own, y))
    risks = figures(found, "keeping")
    assert risks["fidelity"].value == pytest.approx(float(agrees))
    assert risks["accuracy"].value == pytest.approx(float(right))
    assert risks["fidelity"].trials == 200
    assert risks["fidelity on uniform points"].trials == 200
    without = [found.risks[one.attack]["fidelity"].value for one in found.baselines]
    assert risks["fidelity"].baseline == pytest.approx(max(without))
    constant = found.risks["one answer"]["fidelity"].value
    assert constant == pytest.approx(float(own.bincount().max()) / 200)
    assert constant < max(without)
    assert risks["fidelity excess"].value == pytest.approx(float(agrees) - max(without))


def test_the_excess_is_taken_at_the_surest_budget_and_allows_for_every_look():
    def at_twenty(view):
        """It copies with 20 queries, and forgets with more."""
        return random_records(view) if view.left == 20 else lambda x: torch.ones(len(x), 3) / 3

    found = extract_model(untrained(), MEMBERS, OTHERS, attacks=[at_twenty, "uniform"], **QUICK)
    (one, _) = found.tried
    assert one.excess.note == "On held-out records, with 20 queries."
    assert one.shows
    fewer = {**QUICK, "attacks": [at_twenty], "budgets": (20,), "confidence": 0.975}  # half the looks, half the risk
    (alike,) = extract_model(untrained(), MEMBERS, OTHERS, **fewer).tried
    assert (one.excess.low, one.excess.high) == pytest.approx((alike.excess.low, alike.excess.high))
    assert one.excess.surely < one.excess.low


def test_breast_cancer_is_solved_by_31_queries_and_shows_where_true_labels_do_as_well_on_records():
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = StandardScaler().fit_transform(x)[order], y[order]
    model = LogisticRegression(max_iter=1000).fit(x[:285], y[:285])
    play = partial(extract_model, model, (x[:285], y[:285]), (x[285:], y[285:]), attacks=["solve_linear"], device="cpu")
    exact = play(budgets=(31,))
    risks = figures(exact, "solve_linear")
    assert exact.how["queries"] == {"solve_linear": [31]}
    assert risks["fidelity"].value == risks["fidelity on uniform points"].value == 1
    digits = risks["weights recovered (digits)"]
    assert 10**-digits.value * np.abs(model.coef_).max() < 1e-10
    assert digits.baseline < 1
    assert exact.shows
    assert exact.tried[0].excess.note == "On held-out records, with 31 queries."
    many = play(budgets=(240,))
    assert many.shows
    assert many.tried[0].excess.note == "On uniform points, with 240 queries."
    rounded = figures(play(budgets=(124,), decimals=3), "solve_linear")
    assert rounded["fidelity"].value >= 0.99
    assert rounded["weights recovered (digits)"].value < 6


def test_what_the_target_hides_is_hidden_from_the_attacks():
    given, rows = open_model(untrained()), (*MEMBERS, 0)
    found = {
        name: extract_model(model, MEMBERS, OTHERS, attacks=["solve_linear", "random_records"], **QUICK)
        for name, model in {
            "bare": given,
            "rounding": rounding(digits=1).wrap(given, *rows),
            "top": top_k(k=1).wrap(given, *rows),
            "labels": label_only().wrap(given, *rows),
        }.items()
    }
    digits = {
        name: figures(one, "solve_linear")["weights recovered (digits)"].value
        for name, one in found.items()
        if name != "labels"
    }
    assert digits["bare"] > 10 > 2 > digits["rounding"]
    assert digits["top"] < 2
    assert "every answer was certain" in found["labels"].tried[0].failed
    assert found["labels"].tried[1].shows
    soft, hard = (figures(found[name], "random_records")["fidelity"].value for name in ("bare", "labels"))
    assert soft > hard


def test_answers_may_be_labels_alone_and_attacks_fit_that():
    found = extract_model(untrained(), MEMBERS, OTHERS, answers="labels", **QUICK)
    assert [one.attack for one in found.tried] == ["random_records", "margin", "k_center", "uniform"]
    assert "is told labels alone" in found.knows
    named = extract_model(untrained(), MEMBERS, OTHERS, answers="labels", attacks=["solve_linear"], **QUICK)
    assert "labels alone" in named.tried[0].failed
    assert named.shows is None
    assert named.verdict == "No attack ran to its end, so nothing can be said."


def test_labels_that_are_true_teach_no_more_than_the_truth():
    model, (x, _) = untrained(), OTHERS
    with torch.no_grad():
        truth = model(x).argmax(1), model(MEMBERS[0]).argmax(1)
    settings = {**QUICK, "learner": "network", "attacks": [partial(random_records, soft=False)]}
    found = extract_model(model, (MEMBERS[0], truth[1]), (x, truth[0]), answers="labels", **settings)
    assert not found.shows
    network = found.risks["true labels (network)"]
    for figure in ("fidelity", "fidelity on uniform points", "accuracy"):
        assert found.risks["random_records(soft=False)"][figure].value == network[figure].value
    assert found.tried[0].excess.value <= 0


def test_a_tree_is_traced_and_its_copy_shows():
    x, y = points(600, 4, 3).numpy(), np.arange(600) % 2
    model = DecisionTreeClassifier(max_leaf_nodes=5, min_samples_leaf=15, random_state=0).fit(x[:300], y[:300])
    found = extract_model(model, (x[:300], y[:300]), (x[300:], y[300:]), **{**QUICK, "budgets": (5, 800)})
    (traced,) = (one for one in found.tried if one.attack == "trace_tree")
    assert figures(found, "trace_tree")["fidelity"].value > 0.98
    assert traced.shows
    assert "With 5 queries it failed" in traced.note


def test_quantities_count_as_equal_within_a_tenth_of_their_deviation():
    x = points(300, 5).numpy()
    y = x @ np.arange(1.0, WIDE + 1) + 50
    model = LinearRegression().fit(x[:100], -y[:100])  # says the opposite: true labels teach nothing of it
    found = extract_model(model, (x[:100], y[:100]), (x[100:], y[100:]), **QUICK)
    assert [one.attack for one in found.tried] == ["solve_linear", "random_records", "k_center", "uniform"]
    assert figures(found, "solve_linear")["fidelity"].value == 1
    assert figures(found, "solve_linear")["weights recovered (digits)"].value > 12
    assert figures(found, "random_records")["fidelity"].value > 0.9
    assert "a tenth of the standard deviation" in found.notes[1]
    assert found.shows


def test_tables_images_and_whole_numbers_are_asked_about_in_their_own_form():
    names = list("abcde")
    whole = OTHERS[0].round().numpy()
    frame = pd.DataFrame(whole, columns=names).astype({"a": int, "b": int})
    model = LogisticRegression().fit(frame, OTHERS[1])
    table = extract_model(model, (frame[:200], OTHERS[1][:200]), (frame[200:], OTHERS[1][200:]), **QUICK)
    assert not any(one.failed for one in table.tried)
    seen = []

    class Image(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 3)

        def forward(self, x):
            seen.append((x.shape[1:], x.dtype))
            return self.layer(x.flatten(1))

    images = points(100, 6, 16).float().reshape(-1, 1, 4, 4)
    found = extract_model(Image(), (images, torch.arange(100) % 3), (images, torch.arange(100) % 3), **QUICK)
    assert set(seen) == {(torch.Size([1, 4, 4]), torch.float32)}
    assert figures(found, "solve_linear")["weights recovered (digits)"].value > 3


def test_the_pool_may_be_of_another_kind_and_never_holds_what_copies_are_judged_on():
    seen = []

    def looking(view):
        """It looks."""
        seen.append(view)
        return random_records(view)

    other = 3 + points(90, 8), torch.zeros(90, dtype=torch.long)
    play = partial(extract_model, untrained(), MEMBERS, OTHERS, attacks=[looking], **{**QUICK, "budgets": (60,)})
    found = play(pool=other)
    assert torch.equal(seen[0].pool, other[0])
    assert found.how["pool"] == 90
    held = {tuple(row) for row in OTHERS[0][np.random.default_rng(0).permutation(400)[:200]].tolist()}
    play(pool=OTHERS)
    play()
    for view in seen[1:]:
        assert len(view.pool) == 200
        assert not held & {tuple(row) for row in view.pool.tolist()}
    with pytest.raises(InputError, match=r"The pool must have the form of the other records, \(5,\), found \(4,\)"):
        play(pool=(points(9, 1, 4), torch.zeros(9)))


def test_uniform_points_that_judge_are_not_those_that_an_attack_draws():
    settings = {**QUICK, "learner": "tree", "budgets": (200,), "attacks": ["uniform"]}
    found = extract_model(Hashed(0), MEMBERS, OTHERS, **settings)
    assert figures(found, "uniform")["fidelity on uniform points"].value < 0.6


def test_an_attack_that_fails_is_told_of_and_costs_no_other():
    def broken(view):
        """It breaks."""
        raise ValueError("a nut is loose")

    def greedy(view):
        """It asks too often."""
        view.ask(view.pool[: view.left + 1])

    found = extract_model(untrained(), MEMBERS, OTHERS, attacks=[broken, greedy, "random_records"], **QUICK)
    assert found.tried[0].failed == "ValueError: a nut is loose"
    assert "may ask 60 times" in found.tried[1].failed
    assert found.tried[2].shows


def test_two_plays_agree_and_opened_models_and_records_serve():
    settings = {**QUICK, "attacks": ["random_records", "k_center"], "budgets": (20,)}
    sides = [as_records(side, name="records") for side in (MEMBERS, OTHERS)]
    first = extract_model(untrained(), MEMBERS, OTHERS, **settings)
    assert extract_model(open_model(untrained()), *sides, **settings) == first
    assert extract_model(untrained(), MEMBERS, OTHERS, seed=1, **settings) != first
    _, inside, outside = targets.fit(open_model(untrained()), *sides)
    assert extract_model(untrained(), inside, outside, **settings) == first


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(WIDE, 3).double(), nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = extract_model(model, MEMBERS, OTHERS, attacks=["solve_linear"], **QUICK)
    assert model.training
    assert model[1].training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert figures(found, "solve_linear")["fidelity"].value == 1  # asked without dropout


def test_curves_go_by_queries_and_hold_the_line_without_the_model(copied):
    assert [curve.title for curve in copied.curves] == [
        *("Fidelity of copies", "Fidelity on uniform points of copies", "Accuracy of copies")
    ]
    for curve in copied.curves:
        assert curve.across == "queries"
        assert [line.name for line in curve.lines][-1] == "as many true labels, without the model"
        assert all([place for place, _ in line.points] == [20, 60] for line in curve.lines)


def test_weights_are_not_compared_where_the_target_is_not_linear():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(WIDE, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    found = extract_model(model, MEMBERS, OTHERS, attacks=["solve_linear"], **QUICK)
    assert "weights recovered (digits)" not in figures(found, "solve_linear")
    squashed = nn.Sequential(nn.Linear(WIDE, 3), nn.Tanh()).double()  # one layer, yet no linear model
    found = extract_model(squashed, MEMBERS, OTHERS, attacks=["solve_linear"], **QUICK)
    assert "weights recovered (digits)" not in figures(found, "solve_linear")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"budgets": (50, 20)}, "rising"),
        ({"budgets": ()}, "one or more"),
        ({"budgets": (0,)}, "at least 1"),
        ({"attacks": ["margins"]}, "Did you mean `margin`"),
        ({"answers": "logits"}, "no kind of answers"),
        ({"learner": "forest"}, "no learner"),
        ({"decimals": -1}, "`decimals` must be a whole number"),
        ({"held_out": 1.0}, "`held_out` must lie between 0 and 1"),
        ({"confidence": 2.0}, "`confidence` must lie between"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        extract_model(untrained(), MEMBERS, OTHERS, **{**QUICK, **settings})


def test_what_cannot_be_copied_so_is_refused():
    several = torch.rand(40, 3) > 0.5
    with pytest.raises(InputError, match="several labels"):
        extract_model(untrained(), (points(40, 1), several), (points(40, 2), several), **QUICK)
    with pytest.raises(InputError, match="at least 20, found 5"):
        extract_model(untrained(), MEMBERS, (points(5, 2), torch.arange(5) % 3), **QUICK)
    same = torch.zeros(40, WIDE), torch.arange(40) % 3
    with pytest.raises(InputError, match="must hold records unlike those"):
        extract_model(untrained(), MEMBERS, same, **QUICK)


def test_the_linear_copy_is_what_is_compared():
    assert Linear(torch.ones(2, 1), torch.zeros(1), False)(torch.ones(3, 2)).tolist() == [[2.0]] * 3


def in_words(count, seed):
    """A table with words, one of them missing here and there, and what a rule says of it."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"job": rng.choice(["nurse", "cook", "clerk"], count), "age": rng.normal(size=count)})
    frame["town"] = pd.Series(rng.choice(["York", "Bath"], count)).astype("category")
    frame["late"] = rng.choice([True, False], count)
    frame.loc[::9, "job"] = None
    return frame, (frame["job"].isna() | (frame["job"] == "cook")).to_numpy().astype(int)


def of_words(frame):
    """Log-odds that are linear in what the words are; it fails for any word that it does not know."""
    assert {*frame["job"].dropna()} <= {"nurse", "cook", "clerk"}
    assert frame["town"].dtype == "category"
    assert frame["late"].dtype == bool
    gap = 2.0 * (frame["job"] == "cook") - 3.0 * frame["job"].isna() + frame["age"] + 1.5 * (frame["town"] == "York")
    gap = gap.to_numpy(float) - frame["late"].to_numpy(float)
    return np.stack([np.zeros(len(frame)), gap], 1)


def test_models_of_tables_with_words_are_copied():
    model = replace(open_model(of_words, outputs="logits"), tensors=False)
    found = extract_model(
        model, in_words(60, 0), in_words(400, 1), **{**QUICK, "budgets": (40,)}, pool=in_words(200, 2)
    )
    assert found.risks["solve_linear"]["fidelity"].value == 1.0
    assert found.risks["solve_linear"]["fidelity on uniform points"].value == 1.0
    assert found.risks["margin"]["fidelity"].value > 0.85
    assert not found.risks.get("trace_tree")


def test_a_word_is_one_of_those_that_there_are():
    form = form_of(in_words(60, 0)[0], in_words(60, 1)[0])
    frame = in_words(20, 3)[0]
    points = form.points(frame, "records")
    assert points.shape == (20, 4 + 1 + 2 + 1)
    assert form.choices == ((0, 1, 2, 3), (5, 6))
    pd.testing.assert_frame_equal(form.batch(points), frame)
    with pytest.raises(InputError, match="words that other records hold too, found 'vet' in `job`"):
        form.points(frame.assign(job="vet"), "pool")


def test_equations_are_not_solved_by_default_where_all_answers_are_certain():
    tree = DecisionTreeClassifier(random_state=0).fit(*(part.numpy() for part in MEMBERS))
    assert "solve_linear" not in extract_model(tree, MEMBERS, OTHERS, **QUICK).risks
