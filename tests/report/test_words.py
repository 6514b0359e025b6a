import json
import math
import re
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from report.fakes import BLANK, LEAKY, failed, fake
from rich.console import Console

from ml_privacy_meter.findings import ABOVE, Check
from ml_privacy_meter.report import verdicts, words
from ml_privacy_meter.report.about import lines
from ml_privacy_meter.report.glossary import glossary
from ml_privacy_meter.report.markdown import escape, markdown
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.people import people
from ml_privacy_meter.report.printed import printed
from ml_privacy_meter.report.terminal import table


def risk(name: str, value: float | None, low: float = 0.0, high: float = 1.0, **more: Any) -> dict[str, Any]:
    given = {"name": name, "value": value, "low": low, "high": high, "baseline": 0.01, "trials": 100}
    return given | {"ceiling": None, "surely": None, "note": "", "chosen": False} | more


@pytest.mark.parametrize(
    ("shown", "figure"),
    [
        (risk("TPR@1%FPR", 0.0532, 0.041, 0.069), "5.3% [4.1, 6.9]"),
        (risk("TPR@0.1%FPR", 0.0012, 0.0005, 0.0031), "0.12% [0.05, 0.31]"),
        (risk("TPR@1%FPR", 0.0, 0.0, 0.0018), "0.00% [0.00, 0.18]"),
        (risk("AUC", 0.5434, 0.538, 0.5483), "0.543 [0.538, 0.548]"),
        (risk("advantage", -0.0201, -0.05, 0.01), "−2.0% [−5.0, 1.0]"),
        (risk("advantage", -0.00001, -0.001, 0.001), "0.00% [−0.10, 0.10]"),
        (risk("TPR@0.1%FPR", None), "not resolvable"),
    ],
)
def test_a_figure_is_written_with_its_interval(shown: dict[str, Any], figure: str) -> None:
    assert words.figure(shown) == figure


def test_a_probability_is_never_rounded_to_certainty() -> None:
    assert [words.probability(p) for p in (1.0, 0.9996, 0.9994, 0.5)] == ["> 99.9%", "> 99.9%", "99.9%", "50.0%"]


def test_a_figure_above_its_ceiling_is_said_to_be() -> None:
    assert "which may be luck" in words.remark(risk("TPR@1%FPR", 0.5, 0.4, 0.6, ceiling=0.3))
    assert words.remark(risk("TPR@1%FPR", 0.5, 0.4, 0.6, ceiling=0.3, note=ABOVE)) == ABOVE
    assert words.remark(risk("TPR@1%FPR", 0.5, 0.2, 0.6, ceiling=0.3, note="so")) == "so"


def test_the_verdict_on_a_leak_counts_the_records() -> None:
    report = fake()
    found = report.risks[LEAKY]["TPR@1%FPR"]
    said = verdicts.verdict(report._document)
    assert found.value is not None
    low, high = math.floor(found.low * 2000 + 1e-9), math.ceil(found.high * 2000 - 1e-9)
    counts = f" [{low}, {high}] of the 2,000 training records"
    counts = f"{found.value * 2000:.0f}{counts}"
    assert counts in said
    assert "At an error of 1 in 100 " in said
    assert f"“{LEAKY}” (of 2, the strongest on these records) reaches AUC" in said
    assert "training records in this audit; without the model, 20 would be." in said
    assert "95% interval" in said


def test_the_verdict_on_nothing_is_no_comfort() -> None:
    said = verdicts.verdict(fake(leak=0, seed=2)._document)
    assert said.startswith("These attacks found no leak")
    assert "That is no proof that there is none: stronger attacks (with reference models) were not run." in said


def test_reference_models_that_no_attack_looked_at_are_no_comfort() -> None:
    document = fake(leak=0, seed=2, reference_models=16)._document
    assert "found no leak" in verdicts.verdict(document)
    assert "(with reference models) were not run" in verdicts.verdict(document)
    document["findings"][0]["sees"] = "Outputs, and reference models."
    assert "were not run" not in verdicts.verdict(document)


def test_an_attack_below_chance_is_no_comfort() -> None:
    finding = {"attack": "a", "sees": "", "failed": "", "risks": [risk("AUC", 0.1, 0.05, 0.15, baseline=0.5)]}
    about = {"members": 1000, "confidence": 0.95}
    assert "turned around" in verdicts.verdict({"findings": [finding], "checks": [], "about": about})


def test_the_verdict_of_a_voided_audit_says_so_first() -> None:
    said = verdicts.verdict(fake(shifted=True)._document)
    assert said.startswith("This audit does not measure the model as it stands")


def test_the_verdict_without_an_attack_says_nothing_about_the_model() -> None:
    said = verdicts.verdict(fake(100, attacks=(), also=(failed(),))._document)
    assert said == "No attack ran to its end: this report says nothing about the model."


def test_a_leak_that_only_the_ranking_shows_is_told_as_one() -> None:
    document = fake(600, leak=0.25, classes=None)._document
    first = document["findings"][0]
    first["risks"] = [risk("AUC", 0.56, 0.53, 0.59, baseline=0.5), risk("TPR@1%FPR", 0.01, 0.001, 0.03)]
    assert "reaches AUC 0.560 [0.530, 0.590] (95% interval; without the model 0.5)" in verdicts.verdict(document)


def test_an_attack_that_leaks_at_small_errors_alone_is_a_leak() -> None:
    document = fake(600, leak=0, classes=None)._document
    document["findings"][1]["risks"] = [risk("AUC", 0.5, 0.48, 0.52, baseline=0.5), risk("TPR@1%FPR", 0.05, 0.03, 0.07)]
    document["findings"][0]["risks"] = [risk("AUC", 0.51, 0.49, 0.53, baseline=0.5)]
    assert "15 [9, 21] of the 300 training records" in verdicts.verdict(document)


def test_an_error_above_the_baseline_is_no_leak() -> None:
    assert not words.leaks(risk("error", 0.5, 0.4, 0.6))
    assert words.leaks(risk("power", 0.5, 0.4, 0.6))


def test_every_figure_of_an_audit_is_in_the_glossary() -> None:
    report = fake(400)
    held = {word for word, _ in glossary(report._document)}
    assert set(report.risks[LEAKY]) <= held


def test_failing_checks_stand_first_in_the_summary_and_the_terminal() -> None:
    report = fake(400, shifted=True)
    text = markdown(report._document)
    assert text.index("Read this first") < text.index("## Attacks")
    assert text.index("AUC of 0.731") < text.index("have the same content")
    out = terminal(report)
    assert out.index("look alike without the model?") < out.index("─")
    assert "quantile needs 100 records" in out


def terminal(report: Any) -> str:
    out = StringIO()
    Console(file=out, width=120).print(report.table())
    return out.getvalue()


def test_figures_are_alike_in_summary_and_terminal() -> None:
    report = fake(400, prefix="[red]rec")
    auc = words.named(report._document["findings"][0]["risks"], "AUC")
    assert auc is not None
    shown = words.figure(auc)
    assert f"**{shown}**" in markdown(report._document)
    assert all(part in terminal(report) for part in shown.split(" ", 1))


def test_an_attack_named_like_markup_is_shown_as_text_in_the_terminal() -> None:
    assert "[bold]x[/bold]" in terminal(fake(400, attacks=("[bold]x[/bold]",)))


@pytest.mark.parametrize(
    "report", [fake(20), fake(100, attacks=()), fake(100, attacks=(), also=()), fake(400, classes=None)]
)
def test_small_and_empty_reports_can_be_read_everywhere(report: Any) -> None:
    assert terminal(report)
    assert "Membership probability" in markdown(report._document) or not report.risks or report.failed
    assert str(report)
    assert repr(report).startswith("<Report: ")


def test_text_of_users_is_text_in_markdown() -> None:
    assert escape("a|b\n<script>`*_[x](y)") == r"a\|b \<script\>\`\*\_\[x\](y)"
    row = next(line for line in markdown(fake(100, prefix="<i>|x`")._document).splitlines() if r"\<i\>" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_how_it_was_measured_is_told_in_words() -> None:
    told = dict(lines(fake(400)._document))
    assert told["Training records (members)"] == "200"
    assert told["Accuracy on non-members"] == "91.5%"
    assert told["Settings: fprs"] == "0.1, 0.01, 0.001"
    assert told["Duration"] == "12.3 s"
    assert told["Paths: model"] == "models/resnet20.pt2"


def test_the_verdict_names_the_attack_that_is_strongest_at_small_errors() -> None:
    def finding(attack: str, auc: float, rate: float) -> dict[str, Any]:
        risks = [risk("AUC", auc, auc - 0.01, auc + 0.01), risk("TPR@1%FPR", rate, rate - 0.01, rate + 0.01)]
        risks[1]["baseline"] = 0.01
        return {"attack": attack, "failed": "", "risks": risks}

    about = {"members": 1000, "confidence": 0.95}
    found = [finding("a", 0.8, 0.03), finding("b", 0.7, 0.2)]
    said = verdicts.verdict({"findings": found, "checks": [], "about": about})
    assert "the attack “a” (of 2, the strongest on these records) reaches AUC 0.800" in said
    assert "“b” picks out 200 [190, 210] of the 1,000" in said


def test_many_figures_stand_below_each_other_in_eighty_columns() -> None:
    report = fake(400)
    found = dict(report._document)
    more = [dict(found["findings"][0]["risks"][1], name=f"TPR@{rate}%FPR") for rate in (50, 20, 5, 2)]
    found["findings"] = [one | {"risks": one["risks"] and [*one["risks"], *more]} for one in found["findings"]]
    out = StringIO()
    Console(file=out, width=80).print(table(found))
    text = out.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert f"{LEAKY} " in text
    assert "TPR@2%FPR" in text
    assert "…" not in text


def chosen_and_not(*, low: float, surely: float) -> dict[str, Any]:
    """Two attacks: the first was chosen on reference models, the second does better on the target."""

    def finding(attack: str, auc: float, chosen: bool) -> dict[str, Any]:
        more = {"baseline": 0.5, "surely": surely, "chosen": chosen}
        return {"attack": attack, "failed": "", "risks": [risk("AUC", auc, low, auc + 0.05, **more)]}

    about = {"members": 1000, "confidence": 0.95, "reference_models": 4}
    return {"findings": [finding("a", 0.6, True), finding("b", 0.7, False)], "checks": [], "about": about}


def test_the_verdict_rests_on_the_attack_that_was_chosen_on_reference_models() -> None:
    said = verdicts.verdict(chosen_and_not(low=0.55, surely=0.53))
    assert "the attack “a” (of 2; chosen on reference models, not for its result here)" in said
    assert "“b”" not in said


def test_each_figure_counts_by_the_interval_that_is_widened_for_it() -> None:
    document = chosen_and_not(low=0.55, surely=0.45)
    chosen, other = (finding["risks"][0] for finding in document["findings"])
    chosen["surely"] = 0.52
    assert words.leaks(chosen)
    assert not words.leaks(other)
    assert not words.leaks(chosen | {"surely": 0.5})
    assert verdicts.verdict(document).startswith("Training records can be told from others: the attack “a”")


def test_a_leak_that_another_attack_than_the_chosen_one_finds_is_told_with_its_correction() -> None:
    document = chosen_and_not(low=0.55, surely=0.53)
    document["findings"][0]["risks"][0] |= {"value": 0.5, "low": 0.45, "surely": 0.44}
    assert "the attack “b” (of 2, the strongest on these records) reaches" in verdicts.verdict(document)


def test_no_leak_is_told_of_the_attack_that_was_chosen() -> None:
    said = verdicts.verdict(chosen_and_not(low=0.45, surely=0.4))
    assert "found no leak: the strongest on reference models, “a”, reaches AUC 0.600" in said
    assert "an attack that was not run may find one" in said


def test_the_chosen_attack_speaks_at_small_errors() -> None:
    def finding(attack: str, rate: float, chosen: bool) -> dict[str, Any]:
        rates = risk("TPR@1%FPR", rate, rate - 0.02, rate + 0.02, chosen=chosen)
        return {"attack": attack, "failed": "", "risks": [risk("AUC", 0.6, 0.55, 0.65, baseline=0.5), rates]}

    about = {"members": 1000, "confidence": 0.95}
    findings = [finding("a", 0.05, True), finding("b", 0.2, False)]
    assert "“a” picks out 50 [30, 70]" in verdicts.verdict({"findings": findings, "checks": [], "about": about})


def test_who_was_chosen_is_marked_in_summary_and_terminal() -> None:
    report = fake(400, references=4)
    auc = words.named(report._document["findings"][0]["risks"], "AUC")
    assert auc is not None
    assert auc["chosen"]
    assert f"| **★ {words.figure(auc)}** |" in markdown(report._document)
    assert words.CHOSEN in markdown(report._document)
    assert f"★ {words.value('AUC', auc['value'])}" in terminal(report)
    assert "★" not in markdown(fake(400)._document) + terminal(fake(400))


def test_the_most_exposed_are_shown_with_memorization_and_vulnerability() -> None:
    document = fake(400, references=8)._document
    first = document["exposed"][0]
    row = next(line for line in markdown(document).splitlines() if first["id"] in line)
    assert row.endswith(f"| {words.memorized(first)} | {words.value('vulnerability', first['vulnerability'])} |")
    assert "Memorization" not in markdown(fake(400)._document).split("Most exposed")[1]


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [(0.625, 0.19, "62% ± 19"), (-0.5, 0.4, "−50% ± 40"), (None, None, "–"), (0.0, 0.1, "0% ± 10")],
)
def test_memorization_is_written_with_its_standard_error(value: float | None, error: float | None, shown: str) -> None:
    assert words.memorized({"memorization": value, "memorization_se": error}) == shown


def test_words_of_reference_models_are_told_where_there_are_some() -> None:
    told = dict(glossary(fake(400, references=3)._document))
    assert {"Reference model", "Rehearsal", "Memorization", "Vulnerability", "Reliability"} <= told.keys()
    assert "on reference models in the target’s place" in told["Membership probability"]
    without = dict(glossary(fake(400)._document))
    assert "Rehearsal" not in without
    assert "from this audit’s own records" in without["Membership probability"]


def test_how_reference_models_were_trained_is_told_and_what_was_chosen_is_not_a_setting() -> None:
    told = dict(lines(fake(400, references=3)._document))
    assert told["Reference models"] == "3"
    assert told["References: epochs"] == "50"
    assert not any("trongest" in title for title in told)


def test_the_calibration_is_told_in_points_beside_what_luck_makes() -> None:
    document = fake(400, references=3)._document | {"calibration": {"bins": [], "error": 0.0123, "luck": 0.0088}}
    said = words.calibrated(document)
    assert "lie 1.2 percentage points beside" in said
    assert "(expected calibration error 0.012)" in said
    assert "about 0.9 beside them, by chance" in said
    assert "on reference models" in said
    assert "from this audit’s own records" in words.calibrated(fake(400)._document)


def test_a_scale_learned_from_the_records_it_is_shown_beside_is_said_to_be() -> None:
    own, others = fake(400)._document, fake(400, references=3)._document
    assert "learned again for each fifth" in words.calibrated(own)
    assert "others would lie farther beside it" in words.shares(own)
    assert "learned again" not in words.calibrated(others) + words.shares(others)


def test_a_leak_that_only_small_errors_show_is_said_to_be_of_a_few() -> None:
    risks = [risk("AUC", 0.53, 0.49, 0.57), risk("TPR@1%FPR", 0.05, 0.03, 0.07)]
    risks[0]["baseline"] = 0.5
    about = {"members": 1000, "confidence": 0.95}
    said = verdicts.verdict({"findings": [{"attack": "a", "failed": "", "risks": risks}], "checks": [], "about": about})
    assert said.startswith("A few training records can be told from others: the attack “a” reaches AUC 0.530")
    assert "picks out 50 [30, 70]" in said


@pytest.mark.parametrize(
    ("check", "outcome"),
    [
        ({"passed": True, "voids": False, "says": "Yes."}, "✓ passed"),
        ({"passed": False, "voids": False, "says": "No."}, "✗ failed"),
        ({"passed": False, "voids": False, "says": "Not checked: it is asked only once."}, "– not checked"),
        ({"passed": False, "voids": True, "says": "No."}, "✗ voids the audit"),
    ],
)
def test_what_was_not_checked_has_a_mark_of_its_own(check: dict[str, Any], outcome: str) -> None:
    assert words.outcome(check) == outcome


UNLIKE = Check("Do the membership probabilities hold for this target?", False, "They lie 0.2 beside the shares.")
EVERYWHERE = "Reference models do not behave like this model (see “Read this first”)"


def test_a_verdict_by_reference_models_that_are_not_like_the_target_says_so() -> None:
    for strongest, other in ((BLANK, f"On these records, the highest AUC is that of “{LEAKY}”: 0."), (LEAKY, "")):
        report = fake(400, references=3, strongest={"AUC": strongest})
        assert EVERYWHERE not in verdicts.verdict(report._document)
        said = verdicts.verdict(replace(report, checks=(*report.checks, UNLIKE))._document)
        assert EVERYWHERE in said
        assert "may be another than the one that was chosen." in said
        assert other in said
        assert ("On these records" in said) == bool(other)


def test_a_verdict_that_leans_on_no_reference_model_does_not_speak_of_them() -> None:
    report = fake(400, references=3, strongest={})
    assert EVERYWHERE not in verdicts.verdict(replace(report, checks=(UNLIKE,))._document)


def test_all_that_leans_on_reference_models_says_where_they_are_not_like_the_target() -> None:
    report = fake(400, references=3)
    unlike = replace(report, checks=(*report.checks, UNLIKE))._document
    for write, most in (
        (page, 6),
        (markdown, 2),
        (lambda found: json.dumps(printed(found), default=str, ensure_ascii=False), 4),
    ):
        assert EVERYWHERE not in write(report._document)
        assert write(unlike).count(EVERYWHERE) == most
    assert EVERYWHERE in words.calibrated(unlike)
    assert "which do not behave like this model" in people(unlike)[0]["says"]
    assert not any("which do not behave" in one["says"] for one in people(report._document))
