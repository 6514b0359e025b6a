"""An audit from a user's own objects to the report."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import worlds
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import ml_privacy_meter as pm
from ml_privacy_meter.membership import threshold
from ml_privacy_meter.risk import reliability
from ml_privacy_meter.risk.probability import cross_fitted


@pytest.fixture(scope="module")
def world():
    x, y, member = worlds.draw(0)
    return worlds.overfitted(x[member], y[member]), (x[member], y[member]), (x[~member], y[~member])


@pytest.fixture(scope="module")
def report(world):
    return pm.audit(*world)


def test_the_leak_of_an_overfitted_model_is_reported(report):
    risk = report.risks["threshold"]["AUC"]
    assert risk.low > 0.8
    assert (risk.baseline, risk.trials) == (0.5, 600)
    assert report.risks["threshold"]["TPR@10%FPR"].low > 0.1
    assert report.risks["threshold"]["TPR@0.1%FPR"].value is None
    assert report.about["member_accuracy"] == 1.0
    assert all(check.passed for check in report.checks)


def test_all_attacks_by_default_are_those_without_reference_models(report):
    expected = {"threshold", "gap", "quantile"}
    expected |= {f"threshold(signal={name})" for name in ("modified_entropy", "entropy", "margin")}
    expected |= {"influence", "threshold(signal=gradient_norm)", "threshold(signal=gradient_norm(of=last))"}
    assert set(report.risks) == expected


def test_every_record_has_its_row(report, world):
    table = report.records
    assert len(table) == 600
    assert table["member"].sum() == 300
    assert table["membership_probability"].between(0, 1).all()
    assert table.loc[table["member"], "membership_probability"].mean() > 0.75
    first = table[table["id"] == "members:0"].iloc[0]
    model, (x, y), _ = world
    with torch.no_grad():
        expected = -pm.signals.loss(model, x[:1], y[:1]).item()
    assert first["score: threshold"] == pytest.approx(expected)
    assert first["class"] == y[0]
    assert first["score"] == first[f"score: {first['attack']}"]


def test_the_calibration_error_is_of_probabilities_in_which_no_record_had_a_part(report):
    """Without reference models the table's own, which the bins hold, are learned from these very records."""
    truth = torch.from_numpy(report.records["member"].to_numpy().copy())
    given = torch.from_numpy(report.records["membership_probability"].to_numpy().copy())
    apart = cross_fitted([finding.scores for finding in report.findings])
    assert report.calibration == reliability(given, truth, judged=apart)
    assert report.calibration.error != reliability(given, truth).error


def test_every_class_and_every_group_has_its_figures(world):
    model, members, non_members = world
    sides = [
        pd.DataFrame(x.numpy(), columns=[f"f{i}" for i in range(300)]).assign(label=y.numpy(), site=["a", "b"] * 150)
        for x, y in (members, non_members)
    ]
    load = partial(pm.as_records, label="label", groups=["site"], drop=["site"])
    report = pm.audit(model, *(load(side) for side in sides), attacks=[threshold])
    groups = {(g.column, g.value): g for g in report.findings[0].groups}
    assert set(groups) == {("class", "0"), ("class", "1"), ("class", "2"), ("site", "a"), ("site", "b")}
    assert groups["site", "a"].members == 150
    assert groups["site", "a"].risks[0].low > 0.7
    assert set(report.records["site"]) == {"a", "b"}


def test_nothing_is_found_where_nothing_is(world):
    _, members, non_members = world
    elsewhere = worlds.overfitted(*worlds.draw(99)[:2])
    report = pm.audit(elsewhere, members, non_members)
    for risks in report.risks.values():
        assert risks["AUC"].surely <= 0.5
    assert "found no leak" in str(report)


def test_a_finding_says_what_its_score_is(report):
    says = {finding.attack: finding.says for finding in report.findings}
    assert says["threshold"].endswith("by default minus the loss, in nats.")
    assert says["threshold(signal=entropy)"].endswith(
        "Here, entropy: Entropy of the predicted distribution, in nats. It needs no true label."
    )


def test_the_same_audit_gives_the_same_report_and_another_seed_another_order(world, tmp_path):
    def saved(name, **settings):
        folder = pm.audit(*world, attacks=[threshold, pm.membership.quantile], **settings).save(tmp_path / name)
        content = json.loads((folder / "report.json").read_text())
        content.pop("times")
        return content

    assert saved("a") == saved("b")
    assert saved("c", seed=1) != saved("a2")


def test_an_attack_that_fails_is_reported_as_failed_beside_the_others(world):
    def broken(view):
        """Breaks."""
        raise RuntimeError("out of ideas")

    def endless(view):
        """Says nothing finite."""
        return torch.full((len(view.records),), float("nan"))

    report = pm.audit(*world, attacks=[threshold, broken, endless])
    assert [finding.attack for finding in report.failed] == ["broken", "endless"]
    assert report.failed[0].failed == "RuntimeError: out of ideas"
    assert "finite" in report.failed[1].failed
    assert report.risks["threshold"]["AUC"].value > 0.8


def test_an_audit_whose_attacks_all_fail_says_that_it_says_nothing(world, tmp_path):
    def broken(view):
        """Breaks."""
        raise RuntimeError("out of ideas")

    report = pm.audit(*world, attacks=[broken])
    assert report.records["membership_probability"].isna().all()
    assert "says nothing about the model" in str(report)
    assert "out of ideas" in (report.save(tmp_path / "report") / "report.md").read_text()


def test_a_view_does_not_say_which_set_a_record_came_from(world):
    """Everything that can be reached from it by fields: no name of a set, and no order of the records."""
    seen = []

    def looking(view):
        """Looks around."""
        seen.append(view)
        return torch.zeros(len(view.records))

    report = pm.audit(*world, attacks=[looking])
    truth = report.records["member"].to_numpy()

    def reached(thing, depth=5):
        yield thing
        inner = thing if isinstance(thing, tuple | list) else []
        if isinstance(thing, dict):
            inner = thing.values()
        elif hasattr(thing, "__dict__") and not isinstance(thing, torch.nn.Module | np.ndarray | torch.Tensor):
            inner = vars(thing).values()
        for part in inner if depth else ():
            yield from reached(part, depth - 1)

    parts = list(reached(seen[0]))
    assert any(part is seen[0].records.y for part in parts)
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype.kind in "US":
            assert not np.char.startswith(part.astype(str), "member").any()
        whole = isinstance(part, np.ndarray | torch.Tensor) and tuple(part.shape) == truth.shape
        if whole and np.asarray(part).dtype.kind in "biu":  # orders and labels; the leak itself is no secret
            assert abs(np.corrcoef(np.asarray(part).astype(float), truth)[0, 1]) < 0.2


def test_a_signal_that_compares_a_batch_sees_members_and_non_members_in_it(world):
    def compared(model, x, y):
        loss = pm.signals.loss(model, x, y)
        return (loss.mean() - loss) / loss.std()

    attacks = [threshold, partial(threshold, signal=compared)]
    report = pm.audit(*world, attacks=attacks, batch_size=50)
    plain, beside = (risks["AUC"].value for risks in report.risks.values())
    assert beside == pytest.approx(plain, abs=0.02)


def test_groups_get_the_baseline_of_the_blind_classifier_too(world):
    model, members, (x, y) = world
    report = pm.audit(model, members, (x + 0.3, y), attacks=[threshold])
    baseline = report.risks["threshold"]["AUC"].baseline
    assert baseline > 0.9
    assert {group.risks[0].baseline for group in report.findings[0].groups} == {baseline}


def test_a_column_of_names_is_no_group():
    x, y, member = worlds.draw(0, n=1200, width=3)
    frame = pd.DataFrame(x.numpy(), columns=["a", "b", "c"]).assign(label=y.numpy(), who=np.arange(1200))
    load = partial(pm.as_records, label="label", groups=["who"], drop=["who"])
    sides = [load(frame[side.numpy()]) for side in (member, ~member)]
    with pytest.raises(pm.InputError, match="may have 1,000 values, found 1,200 in `who`"):
        pm.audit(torch.nn.Linear(3, 3), *sides)


def test_an_attack_of_ones_own_is_all_it_takes(world):
    def overconfident(view):
        """The largest logit.

        Sees: the target model's output for each record.
        """
        return view.signals(lambda model, x, y: model(x).amax(1)).target

    report = pm.audit(*world, attacks=[overconfident])
    assert report.findings[0].sees == "the target model's output for each record."
    assert report.risks["overconfident"]["AUC"].value > 0.5


def test_members_of_another_source_void_the_audit_and_become_its_baseline(world):
    model, members, (x, y) = world
    report = pm.audit(model, members, (x + 0.3, y))
    first = report.checks[0]
    assert first.voids
    assert not first.passed
    assert report.risks["threshold"]["AUC"].baseline == pytest.approx(first.risk.value)


def test_duplicates_between_the_sets_are_named(world):
    model, (x, y), (others, labels) = world
    report = pm.audit(model, (x, y), (torch.cat([others[:100], x[:7]]), torch.cat([labels[:100], y[:7]])))
    (check,) = [check for check in report.checks if "both member" in check.name]
    assert "7 of 107" in check.says
    assert check.ids[0] == "members:0 = non-members:100"


def test_an_estimator_is_audited_as_it_comes():
    x, y, member = worlds.draw(1, width=10)
    forest = RandomForestClassifier(20, bootstrap=False, max_features=2, random_state=0).fit(x[member], y[member])
    report = pm.audit(forest, (x[member], y[member]), (x[~member], y[~member]))
    assert report.risks["threshold"]["AUC"].low > 0.9
    assert not report.failed


def test_a_regressor_is_audited_by_its_squared_error():
    x, _, member = worlds.draw(2, width=10)
    y = torch.randn(len(x), generator=torch.Generator().manual_seed(0))
    forest = RandomForestRegressor(20, random_state=0).fit(x[member], y[member])
    report = pm.audit(forest, (x[member], y[member]), (x[~member], y[~member]))
    assert set(report.risks) == {"threshold", "quantile"}
    assert report.risks["threshold"]["AUC"].low > 0.7
    assert report.risks["quantile"]["AUC"].low > 0.7
    assert "class" not in report.records


def test_several_labels_at_once_are_audited():
    x, _, member = worlds.draw(3)
    y = torch.rand(600, 4, generator=torch.Generator().manual_seed(1)) < 0.5
    model = torch.nn.Linear(300, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(model(x[member]), y[member].float()).backward()
        optimizer.step()
    report = pm.audit(model, (x[member], y[member]), (x[~member], y[~member]))
    assert not report.failed
    assert report.risks["threshold"]["AUC"].low > 0.9
    assert report.risks["quantile"]["AUC"].low > 0.8


def test_saved_outputs_stand_in_for_a_model(world, report, tmp_path):
    model, *sides = world
    for name, (x, y) in zip(("in", "out"), sides, strict=True):
        with torch.no_grad():
            np.savez(tmp_path / f"{name}.npz", logits=model(x).numpy(), y=y.numpy())
    saved = pm.audit(None, tmp_path / "in.npz", tmp_path / "out.npz", attacks=[threshold])
    assert saved.risks["threshold"]["AUC"] == pm.audit(*world, attacks=[threshold]).risks["threshold"]["AUC"]
    assert "Not checked" in saved.checks[0].says
    with pytest.raises(pm.InputError, match="There is no model, and the members hold no saved outputs"):
        pm.audit(None, *sides)


def test_the_users_model_is_left_as_it_was(world):
    model, members, non_members = world
    noisy = torch.nn.Sequential(model, torch.nn.BatchNorm1d(3), torch.nn.Dropout(0.5))
    noisy.train()
    before = {name: value.clone() for name, value in noisy.state_dict().items()}
    state = torch.get_rng_state()
    pm.audit(noisy, members, non_members, attacks=[threshold])
    assert all(part.training for part in noisy.modules())
    assert all(torch.equal(value, before[name]) for name, value in noisy.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("settings", [{"confidence": 1.5}, {"fpr": [0.1, 2.0]}])
def test_a_setting_out_of_range_is_named(world, settings):
    with pytest.raises(pm.InputError, match=r"`(confidence|fpr\[1\])` must lie between 0 and 1"):
        pm.audit(*world, **settings)


def test_the_same_attack_twice_is_refused(world):
    with pytest.raises(pm.InputError, match="Each attack must be named once, found threshold, threshold"):
        pm.audit(*world, attacks=[threshold, threshold])


def test_too_few_records_are_refused(world):
    model, (x, y), others = world
    with pytest.raises(pm.InputError, match="20"):
        pm.audit(model, (x[:19], y[:19]), others)


def test_a_guarantee_that_an_overfitted_model_does_not_keep_is_refuted_and_one_that_it_may_keep_is_not(world):
    attacks = [threshold]
    found = pm.audit(*world, attacks=attacks, guarantee=pm.guarantees.approximate(epsilon=0.5, delta=1e-5))
    check = found.checks[-1]
    assert not check.passed
    assert "the attack threshold reaches" in check.says
    assert found.risks["threshold"]["AUC"].ceiling == pytest.approx(0.6225, abs=1e-4)
    assert found.risks["threshold"]["TPR@0.1%FPR"].ceiling == pytest.approx(0.00166, abs=1e-5)
    assert found.guarantee.says.startswith("epsilon 0.5")
    kept = pm.audit(*world, attacks=attacks, guarantee=pm.guarantees.approximate(epsilon=12, delta=1e-5))
    assert kept.checks[-1].passed
    bare = pm.audit(*world, attacks=attacks)
    assert [(r.value, r.low, r.surely) for r in bare.risks["threshold"].values()] == [
        (r.value, r.low, r.surely) for r in found.risks["threshold"].values()
    ]
    assert len(bare.checks) == len(kept.checks) - 1
