"""Tokens are shaded by what the model knows beyond its base."""

import pytest
import torch
from texts import frame, language_model, learned, sentences

import ml_privacy_meter as pm
from ml_privacy_meter.case import prepare
from ml_privacy_meter.membership import base_difference, threshold
from ml_privacy_meter.report.page import page
from ml_privacy_meter.shading import tokens_of


@pytest.fixture(scope="module")
def sides():
    return frame(sentences(24, words=5)), frame(sentences(24, 1, words=5))


@pytest.fixture(scope="module")
def model(sides):
    return learned(list(sides[0]["text"]), epochs=20)


def test_tokens_join_to_the_text_and_carry_the_difference(sides, model):
    case = prepare(model, *sides, base=language_model())
    tokens = tokens_of(case)
    for row in (0, 7):
        text = case.everyone.x[slice(row, row + 1)]["text"].iloc[0]
        found = tokens(row)
        assert "".join(piece for piece, _ in found) == text
        one, other = (m.token_logprobs([text]).log_probability[0] for m in (model, language_model()))
        assert torch.allclose(torch.tensor([ahead for _, ahead in found]), one - other, atol=1e-4)
    assert tokens_of(prepare(model, *sides)) is None


def test_the_page_shades_tokens_only_where_records_are_asked_for(sides, model, tmp_path):
    audited = {"base": language_model(), "attacks": [threshold, base_difference]}
    report = pm.audit(model, *sides, **audited, show_records=2)
    assert report.shown.kind == "tokens"
    shades = {shade for one in report.shown.records for _, shade in one["content"]}
    assert shades <= {0, 1, 2, 3, 4}
    assert max(shades) >= 2
    text = "".join(piece for piece, _ in report.shown.records[0]["content"])
    assert text in set(sides[0]["text"])
    assert 'class="t' in page(report._document, None, report.shown)
    report.save(tmp_path / "shown")
    said = (tmp_path / "shown" / "report.json").read_text() + (tmp_path / "shown" / "report.md").read_text()
    assert not any(word in said for word in sides[0]["text"])
    plain = pm.audit(model, *sides, **audited)
    assert plain.shown is None
