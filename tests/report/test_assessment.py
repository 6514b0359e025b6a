import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report.fakes import FAILED, claiming, failed, fake

from ml_privacy_meter import Check, Report, Risk
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Bin, Calibration
from ml_privacy_meter.guarantees import gaussian
from ml_privacy_meter.report import check_folder
from ml_privacy_meter.report.assessment import assessment
from ml_privacy_meter.report.blanks import BLANKS, check_answers
from ml_privacy_meter.report.dpia import dpia
from ml_privacy_meter.report.page import page
from ml_privacy_meter.risk import checks

ARTICLES = ("Article 35(7)(a) GDPR", "Article 35(7)(b) GDPR", "Article 35(7)(c) GDPR", "Article 35(7)(d) GDPR")
REFERENCES = "the target model's output for each record, its label, and reference models."
YES_OR_NO = re.compile(r"\b(is|are) (in)?significant\b|\b(safe|compliant|anonymous)\b(?! or synthetic)", re.IGNORECASE)


def text(report: Report) -> str:
    return dpia(report._document)


def part(report: Report, title: str) -> str:
    """One section of ``dpia.md``, up to the next."""
    found = re.search(rf"^#+ {re.escape(title)}.*?\n(.*?)(?=^#|\Z)", text(report), re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def head(report: Report) -> str:
    """What is read before the first of the four parts."""
    return text(report).split("## (a)")[0]


def seen(report: Report, sees: str) -> Report:
    """The same report of attacks that see something else."""
    return replace(report, findings=tuple(replace(found, sees=sees) for found in report.findings))


LEAKING = fake(4000, leak=1.2, also=())
NOTHING = fake(4000, leak=0.0, also=())
VOID = fake(4000, leak=1.2, also=(), shifted=True)
ALL_FAILED = fake(400, attacks=())
PARTLY_FAILED = fake(4000, leak=1.2)
FEW = fake(20, leak=1.2, also=())


@pytest.mark.parametrize("report", [LEAKING, NOTHING, VOID, ALL_FAILED, PARTLY_FAILED, FEW])
def test_every_assessment_has_the_four_parts_in_order_and_every_blank_once(report: Report) -> None:
    shown = text(report)
    places = [shown.index(article) for article in ARTICLES]
    assert places == sorted(places)
    assert shown.count("[To be completed by the controller: ") == len(BLANKS)
    assert f"{len(BLANKS)} of {len(BLANKS)} blanks are still to be completed." in shown
    assert shown.count("no legal advice") == 1


@pytest.mark.parametrize("report", [LEAKING, NOTHING, VOID, ALL_FAILED, PARTLY_FAILED, FEW])
def test_the_opinions_question_is_never_answered_with_yes_or_no(report: Report) -> None:
    said = part(report, "The question of EDPB Opinion 28/2024")
    answer = said.split("What it can add:")[1].split("> **[To be completed")[0]
    assert "cannot answer it with yes or no" in said
    assert not YES_OR_NO.search(answer)


def test_a_leaking_models_assessment_counts_people_and_not_only_rates() -> None:
    counts = part(LEAKING, "People at risk")
    row = re.search(
        r"\| 1 in 100 \| ([\d,]+) \[([\d,]+), ([\d,]+)\] of 2,000 \| 20 \| 20 of 2,000 \| threshold \|", counts
    )
    assert row
    middle, low, high = (int(one.replace(",", "")) for one in row.groups())
    tpr = LEAKING.risks["threshold"]["TPR@1%FPR"]
    assert [round(2000 * one) for one in (tpr.value or 0, tpr.low, tpr.high)] == [middle, low, high]
    assert low > 20
    assert "Training records can be told from others" in counts
    assert "Records are counted, not people." in counts
    assert f"{middle} [{low}, {high}] of 2,000 training records are identified" in part(
        LEAKING, "The question of EDPB Opinion 28/2024"
    )
    assert "Read this first" not in text(LEAKING)


def test_a_void_audit_says_so_first_and_shows_none_of_its_figures() -> None:
    assert "Do not file this draft as it stands: the audit is void." in head(VOID)
    assert "0.731" in head(VOID)  # why
    body = text(VOID).split("## (a)")[1]
    assert body.count("left out: the audit is void") == 2
    assert not re.search(r"\d[\d.,]* \[[\d.,]+, [\d.,]+\]", body)  # no figure with its interval
    assert "99.7%" not in body
    assert "It is not known how many people are at risk" in part(VOID, "People at risk")
    assert "Nothing: the audit is void" in part(VOID, "The question of EDPB Opinion 28/2024")
    assert "Membership inference itself" in part(VOID, "What was not tested")


def test_the_page_of_a_void_audit_leaves_the_same_figures_out() -> None:
    section = page(VOID._document).split('<section class="assessment"')[1].split("</section>")[0]
    assert "Do not file this draft as it stands: the audit is void." in section
    assert not re.search(r"\d[\d.,]* \[[\d.,]+, [\d.,]+\]", section.split("(a) Description")[1])


def test_a_check_that_failed_without_voiding_is_read_before_the_figures() -> None:
    check = Check("Are the classes mixed alike in both sets?", False, "The shares differ by 30%.")
    report = replace(LEAKING, checks=(check,))
    assert "The shares differ by 30%." in head(report)
    assert "void" not in head(report)
    assert "Training records can be told from others" in text(report)


def test_nothing_found_by_attacks_without_reference_models_is_called_weak_evidence() -> None:
    said = part(NOTHING, "People at risk")
    assert "found no leak" in said
    assert "no proof that there is none" in said
    assert "weak evidence" in said
    assert "not surely above chance" in said
    assert "and more for attacks that were not played" in said
    assert "Attacks with reference models" in part(NOTHING, "What was not tested")


def test_attacks_with_reference_models_are_not_called_untested() -> None:
    report = seen(fake(1000, references=2, also=()), REFERENCES)
    assert "Attacks with reference models" not in text(report)
    assert "weak evidence" not in text(report)
    assert "gray-box" in text(report)


def test_reference_models_whose_attacks_failed_are_no_strength() -> None:
    report = fake(1000, references=2, also=(replace(failed(), sees=REFERENCES),))
    assert "weak evidence" in part(report, "People at risk")
    assert "Attacks with reference models" in part(report, "What was not tested")


def test_an_attack_that_failed_is_named_first_and_among_what_was_not_tested() -> None:
    assert f"The attack “{FAILED}” failed, so that it is not known what it would have found." in head(PARTLY_FAILED)
    assert f"What “{FAILED}” would have found" in part(PARTLY_FAILED, "What was not tested")
    assert "failed: no result |" in part(PARTLY_FAILED, "(c) Risks to the rights and freedoms of data subjects")


def test_where_all_attacks_failed_the_assessment_speaks_neither_of_a_risk_nor_of_none() -> None:
    assert "No attack ran to its end. This audit is no evidence of a risk, and none that there is no risk." in head(
        ALL_FAILED
    )
    assert "It is not known how many people are at risk" in part(ALL_FAILED, "People at risk")
    assert "found no leak" not in text(ALL_FAILED)


def test_figures_that_cannot_be_resolved_are_no_evidence_of_no_risk() -> None:
    said = part(FEW, "People at risk")
    assert "| 1 in 1,000 | not resolvable: too few records |" in said
    assert "That is no evidence that none is." in said
    assert "groups too small to tell" in part(FEW, "Groups")
    assert "Errors rarer than 1 in 10." in part(FEW, "What was not tested")  # 10 non-members resolve no more


def test_where_no_figure_is_resolved_nobody_is_told_that_no_leak_was_found() -> None:
    unknown = Risk("AUC", None, np.nan, np.nan, 0.5, 10, note="needs 20 members")
    found = tuple(replace(one, risks=(unknown,), groups=()) for one in FEW.findings)
    report = replace(FEW, findings=found)
    assert "Do not file it as an audit of this model." in head(report)
    assert "found no leak" not in text(report)
    assert "There are too few records to measure anything" in part(report, "People at risk")


def test_the_group_that_is_far_more_exposed_is_named_and_only_that() -> None:
    said = part(fake(4000, leak=1.2, also=()), "Groups")
    by_class, by_region = (re.search(rf"- By {name} .*", said) for name in ("class", "region"))
    assert by_class
    assert by_region
    assert "distinctly more exposed than the whole: “frog”" in by_class[0]
    assert "aeroplane" not in by_class[0]
    assert "none is distinctly more exposed" in by_region[0]


def test_many_groups_that_differ_by_chance_are_not_called_more_exposed() -> None:
    names = [f"g{row}" for row in range(80)]
    for seed in range(3):
        report = fake(8000, leak=0.0, also=(), classes=None, group=names, attacks=("threshold",), seed=seed)
        assert "of 80 groups with enough records, none is distinctly more exposed" in part(report, "Groups")


def test_groups_that_were_not_asked_about_are_said_to_be_unknown() -> None:
    found = tuple(replace(one, groups=tuple(g for g in one.groups if g.column == "class")) for one in LEAKING.findings)
    assert "No column of groups was given beside the class" in part(replace(LEAKING, findings=found), "Groups")
    none = tuple(replace(one, groups=()) for one in LEAKING.findings)
    assert "is not known" in part(replace(LEAKING, findings=none), "Groups")


@pytest.mark.parametrize(
    ("sees", "nist", "untested"),
    [
        ("the target model's output for each record.", "black-box", True),
        ("the gradients of the target model at each record.", "white-box", False),
        ("Not said: the attack's docstring has no `Sees:`.", "knowledge not stated", True),
    ],
)
def test_attacks_are_named_by_what_they_see(sees: str, nist: str, untested: bool) -> None:
    report = seen(LEAKING, sees)
    assert f"(NISTAML.033), {nist}" in text(report)
    assert ("Access to the whole model" in part(report, "What was not tested")) == untested
    assert ("not measured. No attack on membership read them." in text(report)) == untested


def test_parameters_that_were_held_but_not_read_are_said_to_be() -> None:
    report = replace(LEAKING, about={**LEAKING.about, "access": "parameters"})
    assert "although the auditor held them" in part(report, "What was not tested")


def test_probabilities_that_do_not_hold_are_left_out() -> None:
    one = Bin(0.9, 1.0, 0.95, 0.1, 0.0, 0.2, 10, 90)
    check = checks.calibrated(Calibration((one,), error=0.5, luck=0.01))
    assert not check.passed
    report = replace(LEAKING, checks=(check,))
    assert "do not hold for this model, and are left out" in text(report)
    assert "The highest of a training record" in text(LEAKING)
    assert "The highest of a training record" not in text(report)


def test_a_claimed_guarantee_that_is_exceeded_is_said_to_fail() -> None:
    def claimed(mu: float) -> str:
        return part(claiming(LEAKING, gaussian(mu=mu)), "(d) Measures envisaged")

    assert "with mu 0.1, for one record added or removed) was exceeded by “threshold”, AUC" in claimed(0.1)
    assert "was not refuted. Not being refuted is no proof." in claimed(3)
    assert "guarantee that is claimed" not in part(LEAKING, "(d) Measures envisaged")


def test_answers_fill_their_blanks_and_are_shown_as_text_on_page_and_in_markdown() -> None:
    hostile = "<script>alert(1)</script> [x](http://e.example)\n\n# Second"
    report = LEAKING.answered({"purposes": hostile, "review": "May", "data": "  "})
    shown = text(report)
    assert f"{len(BLANKS) - 2} of {len(BLANKS)} blanks" in shown
    assert shown.count("[To be completed by the controller: ") == len(BLANKS) - 2
    assert "> \\<script\\>alert(1)\\</script\\> \\[x\\](http:&#8203;//e.example)\n>\n> \\# Second" in shown
    section = page(report._document).split('<section class="assessment"')[1].split("</section>")[0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in section
    assert "<script>" not in section
    assert report._document["about"]["assessment"] == {"purposes": hostile, "review": "May"}


@pytest.mark.parametrize(
    ("answers", "said"), [({"purpose": "x"}, "Did you mean `purposes`"), ({"data": 3}, "must be text")]
)
def test_answers_to_no_blank_or_of_another_kind_are_refused(answers: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_answers(answers)


def test_what_users_named_is_text_and_intervals_are_read_without_backslashes() -> None:
    hostile = ("<img src=x onerror=alert(1)>", "[40, 84](http://e.example)", "a|b", "[1]: http://e.example", "e")
    report = fake(4000, leak=2.5, classes=hostile, attacks=("[4](http://e.example)", "b"), also=())
    shown = text(report)
    assert "<img" not in shown
    assert not re.search(r"(?<!\\)\](?=[(:\[])", shown.split("<!--")[0])
    assert re.search(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", shown)
    section = page(report._document).split('<section class="assessment"')[1].split("</section>")[0]
    assert "<img" not in section


def test_page_and_file_say_the_same() -> None:
    structure = assessment(PARTLY_FAILED._document)
    shown = re.sub(r"\\(.)", r"\1", text(PARTLY_FAILED))
    section = page(PARTLY_FAILED._document)
    for one in structure["sections"]:
        assert one["title"] in shown
        assert one["title"] in section
        for block in one["blocks"]:
            said = [block["text"]] if block["kind"] == "text" else block.get("said", [])
            assert all(line in shown for line in said)


def test_a_report_without_classes_or_accuracy_has_an_assessment() -> None:
    report = fake(400, classes=None, member_accuracy=None, non_member_accuracy=None, also=())
    assert "The model is right on" not in text(report)
    assert text(report).count("[To be completed") == len(BLANKS)


def test_a_changed_assessment_is_never_overwritten(tmp_path: Path) -> None:
    place = fake(100).save(tmp_path / "report")
    check_folder(place)
    file = place / "dpia.md"
    original = file.read_text(encoding="utf-8")
    for changed in (original.replace("[To be completed by", "Ada"), original + "\nSeen, Ada", "Ada’s own", ""):
        file.write_text(changed, encoding="utf-8")
        with pytest.raises(InputError, match="was changed since it was written"):
            check_folder(place)
        with pytest.raises(InputError, match="was changed since it was written"):
            fake(200).save(place)
        assert file.read_text(encoding="utf-8") == changed


def test_an_assessment_whose_line_ends_alone_differ_is_as_written(tmp_path: Path) -> None:
    place = fake(100).save(tmp_path / "report")
    file = place / "dpia.md"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    fake(200).save(place)
    assert b"\r\n" not in file.read_bytes()


def test_a_report_whose_assessment_was_moved_out_is_replaced(tmp_path: Path) -> None:
    place = fake(100).save(tmp_path / "report")
    (place / "dpia.md").rename(tmp_path / "dpia.md")
    fake(200).save(place)
    assert (place / "dpia.md").exists()


def test_something_else_in_the_assessments_place_is_left_alone(tmp_path: Path) -> None:
    place = fake(100).save(tmp_path / "report")
    (place / "dpia.md").unlink()
    (place / "dpia.md").mkdir()
    with pytest.raises(InputError, match="was changed"):
        check_folder(place)


def test_the_documentation_names_every_blank() -> None:
    page = (Path(__file__).parents[2] / "docs" / "impact-assessment.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` ", page, re.MULTILINE) == list(BLANKS)
