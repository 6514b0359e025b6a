import json
import re
from typing import Any

import numpy as np
import pytest
from report.fakes import BLANK, LEAKY, fake

from ml_privacy_meter.report import words
from ml_privacy_meter.report.rocs import COLOURS, DASHES, exact, look, rocs
from ml_privacy_meter.risk.intervals import clopper_pearson


def parts(spec: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The points that are joined, and those that are read."""
    _, lines, dots = (spec["datasets"][layer["data"]["name"]] for layer in spec["layer"])
    return lines, dots


def both(document: dict[str, Any], *, logarithmic: bool) -> dict[str, Any]:
    found = [one for one in document["findings"] if one["roc"]]
    return rocs(found, document["about"], logarithmic=logarithmic, places=range(len(found)))


@pytest.mark.parametrize("trials", [1, 20, 5000])
def test_intervals_are_those_of_clopper_and_pearson(trials: int) -> None:
    hits = np.unique([0, 1, trials // 3, trials - 1, trials])
    ours = np.stack(exact(hits, trials, 0.9))
    theirs = np.array([clopper_pearson(int(one), trials, 0.9) for one in hits]).T
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("logarithmic", [True, False])
def test_every_figure_at_an_error_can_be_read_off_its_curve(logarithmic: bool) -> None:
    document = fake(20_000)._document
    _, dots = parts(both(document, logarithmic=logarithmic))
    for found in document["findings"][:2]:
        for risk in found["risks"][1:4]:
            shown = [dot for dot in dots if dot["said"]["title"] == found["attack"]]
            rates = [dot["said"]["TPR"].split(" [")[0] for dot in shown]
            assert words.value(risk["name"], risk["value"]) in rates


def test_what_is_read_is_a_point_of_the_curve_with_both_its_intervals() -> None:
    document = fake(4000)._document
    lines, dots = parts(both(document, logarithmic=False))
    curve = document["findings"][0]["roc"]
    points = {(round(x, 7), round(y, 7)) for x, y in zip(curve["fpr"], curve["tpr"], strict=True)}
    assert {(one["x"], one["y"]) for one in lines if one["of"] == 0} <= points
    assert {(one["x"], one["y"]) for one in dots} <= {(one["x"], one["y"]) for one in lines}
    dot = next(one for one in dots if 0.05 < one["x"] < 0.1 and one["said"]["title"] == LEAKY)
    low, high = clopper_pearson(round(dot["y"] * 2000), 2000)
    assert dot["said"]["TPR"] == words.figure({"name": "TPR", "value": dot["y"], "low": low, "high": high})
    assert re.fullmatch(r"[\d.]+% \[[\d.]+, [\d.]+\]", dot["said"]["FPR"])


def test_a_rate_of_zero_lies_on_the_edge_and_is_told_as_zero() -> None:
    _, dots = parts(both(fake(400)._document, logarithmic=True))
    edge = min(dots, key=lambda dot: (dot["x"], dot["y"]))
    assert edge["x"] == edge["y"] == 0.001
    assert edge["said"]["FPR"].startswith("0.00% [0.00, ")


def test_a_short_curve_keeps_every_point() -> None:
    document = fake(60)._document
    lines, _ = parts(both(document, logarithmic=True))
    assert sum(one["of"] == 0 for one in lines) == len(document["findings"][0]["roc"]["fpr"])


def test_no_two_of_twenty_curves_look_alike() -> None:
    looks = {json.dumps(look(place)) for place in range(20)}
    assert len(looks) == len(COLOURS) * len(DASHES) == 20
    assert all(a != b for place in range(19) for a, b in zip(look(place), look(place + 1), strict=True))


def test_fourteen_curves_stay_small() -> None:
    document = fake(20_000, attacks=[f"{BLANK} {n}" for n in range(14)], also=())._document
    assert len(json.dumps([both(document, logarithmic=kind) for kind in (True, False)])) < 700_000
