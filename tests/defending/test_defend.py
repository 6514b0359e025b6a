"""Defenses are tried from end to end, go on where they were, and say why one could not be tried."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from defending.test_document import schema
from sklearn.linear_model import LogisticRegression
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter import Defense, InputError, Recipe, defenses, membership
from ml_privacy_meter.defending import entries, plan, trial
from ml_privacy_meter.targets import Opened
from ml_privacy_meter.training import PrivacySpent

EACH = 60


def records(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(EACH, 6)).astype(np.float32)
    return x, (x[:, 0] + rng.normal(size=EACH) > 0).astype(np.int64)


QUANTITIES = records(1)[0], records(1)[0][:, 0]


def recipe() -> Recipe:
    return Recipe(architecture=nn.Linear(6, 2), epochs=4, batch_size=30, lr=0.05, precision="fp32")


def given(store: Path | None, **more: Any) -> dict[str, Any]:
    tried: Sequence[Defense] = (Defense("shorter", recipe=_shorter), Defense("coarse", wrap=_wrap))
    attacks = [membership.threshold, membership.difference]
    sides = {"members": records(1), "non_members": records(2)}
    model = nn.Linear(6, 2)
    common = {"train": recipe(), "defenses": tried, "count": 4, "attacks": attacks, "fpr": (0.1,), "store": store}
    return {"model": model, **sides, **common, **more}


def _shorter(given: Recipe) -> Recipe:  # the package's own are wrapped in tests, so that nobody knows them again
    return replace(given, epochs=1)


def _wrap(opened: Opened, x: Any, y: Any, seed: int) -> Opened:
    return replace(opened, after=_coarse, after_key="coarse", after_says="coarse()")


def _coarse(probabilities: torch.Tensor) -> torch.Tensor:
    return torch.round(probabilities, decimals=1)


def _refuse(given: Recipe) -> Recipe:
    raise InputError("no recipe is good enough.")


def _broken(*args: Any, **named: Any) -> Any:
    raise RuntimeError("the lights went out")


def test_a_killed_run_goes_on_and_trains_and_audits_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []
    fit = pm.training.ways.fit_models
    monkeypatch.setattr(
        "ml_privacy_meter.training.ways.fit_models",
        lambda recipe, build, x, y, inside, seeds, **named: (
            trained.extend(seeds) or fit(recipe, build, x, y, inside, seeds, **named)
        ),
    )
    audited: list[int] = []

    def killed(*args: Any, **named: Any) -> Any:
        if len(audited) == 2:
            raise KeyboardInterrupt
        audited.append(1)
        return pm.audit(*args, **named)

    def counted(*args: Any, **named: Any) -> Any:
        audited.append(1)
        return pm.audit(*args, **named)

    settings = given(tmp_path)
    monkeypatch.setattr(trial, "audit", killed)
    with pytest.raises(KeyboardInterrupt):
        pm.defend(**settings)
    before = len(trained)
    assert before == 4 + 2  # references, "none" and "none, trained again"
    monkeypatch.setattr(trial, "audit", counted)
    found = pm.defend(**settings)
    assert len(trained) == before + 4 + 1  # "coarse" answers for models that are there
    assert len(audited) == 5
    again = pm.defend(**settings)
    assert (len(trained), len(audited)) == (before + 5, 5)
    assert again.document == found.document

    assert [row["name"] for row in found.document["rows"]] == [*entries.NAMES.values(), "shorter", "coarse"]
    jsonschema.validate(found.document, schema())
    for row, folder in zip(found.document["rows"], found.folders, strict=True):
        report = json.loads((folder / "report.json").read_text())
        assert row["accuracy"]["non_members"]["value"] == pytest.approx(report["about"]["non_member_accuracy"])
        assert row["accuracy"]["members"]["value"] == pytest.approx(report["about"]["member_accuracy"])
        played = {one["attack"] for one in report["findings"]}
        assert played == {"threshold", "difference", "gap", "difference(signal=correct)"}  # by labels alone, too
        knows = row["name"] if row["kind"] == "defense" else ""
        assert knows in report["about"]["references"]["trained"]

    place = found.save(tmp_path / "out")
    held = {str(file.relative_to(place)) for file in place.rglob("*")}
    assert {"index.html", "defenses.json", "defenses.csv", "reports/04-shorter/index.html"} <= held
    assert all((place / row["report"] / "report.json").is_file() for row in found.document["rows"])
    with pytest.raises(InputError, match="Name a new folder"):
        found.save(place)
    assert len(found.rows) == 5
    assert "“shorter”" in str(found)


def _proves(recipe: Recipe, records: int) -> PrivacySpent:
    return PrivacySpent(float(recipe.epochs), 1 / records, noise_multiplier=2.0, sample_rate=0.5, steps=8)


def test_what_a_defense_proves_is_that_of_the_target(tmp_path: Path) -> None:
    defense = Defense("proven", recipe=_shorter, guarantee=_proves)
    trained = plan(**given(tmp_path, defenses=[defense]))
    assert trial._proven(trained.entries[-1], trained.on) == (4.0, 1 / EACH)
    assert trial._proven(trained.entries[0], trained.on) is None
    out = pm.defend(**given(tmp_path, defenses=[defense])).save(tmp_path / "out")
    rows = json.loads((out / "defenses.json").read_text())["rows"]
    said = [json.loads((out / row["report"] / "report.json").read_text()) for row in rows]
    assert said[-1]["guarantee"]["says"].startswith("DP-SGD with noise multiplier 2, sample rate 0.5 and 8 steps")
    assert said[0]["guarantee"] is None


def test_a_defense_that_fails_costs_no_other(tmp_path: Path) -> None:
    broken = Defense("broken", fit=_broken)
    found = pm.defend(**given(tmp_path, defenses=[broken]))
    assert found.document["failed"] == [{"name": "broken", "why": "RuntimeError: the lights went out"}]
    assert len(found.document["rows"]) == 3
    assert "! broken failed" in str(found)


def test_the_plan_counts_models_once_and_trains_the_first_of_each_kind(tmp_path: Path) -> None:
    planned = plan(**given(tmp_path))
    assert (planned.count, planned.done) == (8, 0)
    assert planned.estimate() > 0
    assert 0 < plan(**given(tmp_path)).done <= 8


def test_an_estimator_takes_defenses_that_answer_in_its_place(tmp_path: Path) -> None:
    way = LogisticRegression()
    model = LogisticRegression().fit(*records(1))
    with pytest.raises(InputError, match="needs a `Recipe`"):
        pm.defend(**given(tmp_path, model=model, train=way))
    found = pm.defend(**given(tmp_path, model=model, train=way, defenses=None))
    assert [row["name"] for row in found.document["rows"]][3:] == ["label_only", "rounding(digits=1)"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"defenses": []}, "must be a defense to try"),
        ({"defenses": [defenses.rounding()] * 2}, r"found rounding\(digits=2\) twice"),
        ({"defenses": [defenses.early_stopping(epochs=9)]}, "at most the recipe's 4"),
        ({"defenses": [Defense("bad", recipe=_refuse)]}, "no recipe is good enough"),
        ({"count": 3}, "`count` must be at least 4"),
        ({"limit": 1.0}, "`limit` must lie between 0 and 1"),
        ({"members": QUANTITIES, "non_members": QUANTITIES, "model": nn.Linear(6, 1)}, "labels must be classes; found"),
    ],
)
def test_what_cannot_be_tried_is_said_before_anything_is_trained(
    more: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_privacy_meter.training.ways.fit_models", _broken)
    with pytest.raises(InputError, match=says):
        pm.defend(**given(None, **more))


def test_the_usual_grid_has_early_stopping_and_fits_the_recipe() -> None:
    found = entries.usual(recipe())
    assert [one.settings["epochs"] for one in found if one.name == "early_stopping"] == [1, 2]
    assert {"relaxloss", "rounding"} <= {one.name for one in found}
    assert all(not one.trains for one in entries.usual(LogisticRegression()))


def test_what_is_no_defense_is_refused() -> None:
    with pytest.raises(InputError, match="must be a `Defense`, found <function rounding"):
        entries.entries_of([defenses.rounding])


def test_a_usual_defense_that_does_not_fit_the_recipe_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = given(None, defenses=[Defense("bad", recipe=_refuse)])
    module = importlib.import_module("ml_privacy_meter.defending.defend")  # the room's own `defend` is the function
    monkeypatch.setattr(module, "usual", lambda train: named["defenses"])
    planned = plan(**named | {"defenses": None})
    assert planned.failed == {"bad": "no recipe is good enough."}
    assert [entry.kind for entry in planned.entries] == ["none", "again", "model"]


def test_names_leave_out_what_is_usual_and_records() -> None:
    assert entries.label(defenses.relaxloss(alpha=0.5)) == "relaxloss(alpha=0.5)"
    assert entries.label(defenses.relaxloss()) == "relaxloss"
    assert entries.label(Defense("own", {"public": "abc", "times": 2})) == "own(times=2)"
    twice = entries.entries_of([defenses.relaxloss(), Defense("relaxloss", {"alpha": 1.0})])
    assert [one.name for one in twice][3:] == ["relaxloss(alpha=1.0, upper=1.0)", "relaxloss(alpha=1.0)"]
