"""Attacks on texts, against worlds in which the truth is known."""

import zlib
from functools import lru_cache, partial

import attacks
import pandas as pd
import pytest
import torch
from scipy.stats import binom
from texts import frame, learned, sentences

import ml_privacy_meter as pm
from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership import (
    MembershipGame,
    View,
    base_difference,
    base_ratio,
    bavaria,
    describe,
    difference,
    lira,
    recall,
    rmia,
    stacked,
    threshold,
    zlib_ratio,
)
from ml_privacy_meter.records import as_records, join
from ml_privacy_meter.risk import auc
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.signals.altered import neighbour
from ml_privacy_meter.targets import fit, open_model

HALF = 40
ALONE = [threshold, *attacks.OF_TEXTS]
BESIDE = [difference, lira, rmia, bavaria, stacked]
EACH = pytest.mark.parametrize("attack", ALONE, ids=describe)


def said(seed):
    """Texts with capitals, so that lower case is something else."""
    return [text.title() for text in sentences(2 * HALF, seed, words=6)]


@lru_cache
def model(seed, *, leak=True):
    return learned(said(0 if leak else 500)[:HALF], epochs=25, seed=seed)


@lru_cache
def base():
    return learned(said(900), epochs=4)


def game(texts, target, references=(), inside=None):
    sides = [as_records(frame(texts[:HALF]), name="members"), as_records(frame(texts[HALF:]), name="others")]
    fitted = [fit(open_model(one), *sides) for one in (target, base(), *references)]
    records = join(*fitted[0][1:])
    models = [one[0] for one in fitted]
    view = View(models[0], records, Reader(Store()), tuple(models[2:]), inside, base=models[1])
    return MembershipGame(view, torch.arange(2 * HALF) < HALF)


@pytest.fixture(scope="module")
def leaky():
    return game(said(0), model(0))


@EACH
def test_finds_the_leak_where_there_is_one(attack, leaky):
    risk = auc(leaky.play(attack))
    assert risk.low > 0.5


@EACH
@pytest.mark.usefixtures("unchecked")
def test_finds_nothing_where_there_is_nothing(attack):
    found, count = 0, 12
    for seed in range(count):
        found += auc(game(said(100 + seed), model(0, leak=False)).play(attack)).low > 0.5
    assert found <= binom.isf(0.01, count, 0.025)


@pytest.mark.usefixtures("unchecked")
def test_reference_models_serve_texts_too():
    texts, inside = said(0), torch.zeros(2 * HALF, 4, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    for j in (0, 2):
        inside[torch.randperm(2 * HALF, generator=generator)[:HALF], j] = True
        inside[:, j + 1] = ~inside[:, j]
    trained = [learned([texts[i] for i in range(2 * HALF) if inside[i, j]], epochs=25, seed=j) for j in range(4)]
    play = game(texts, model(0), trained, inside)
    for attack in BESIDE:
        assert auc(play.play(attack)).low > 0.5, describe(attack)


def test_zlib_is_the_log_probability_of_the_text_over_its_compressed_bytes(leaky):
    scores = zlib_ratio(leaky.view)
    text = leaky.view.records.x[slice(3, 4)]["text"].iloc[0]
    scored = model(0).token_logprobs([text])
    wanted = float(scored.log_probability.sum()) / len(zlib.compress(text.encode()))
    assert float(scores[3]) == pytest.approx(wanted, rel=1e-5)


def test_min_k_looks_at_a_fifth_of_the_tokens(leaky):
    row = leaky.view.records.x[slice(5, 6)]
    scored = model(0).token_logprobs(list(row["text"]))
    lp, count = scored.log_probability[0], int(scored.count[0])
    few = lp[:count].sort().values[: -(-count // 5)]
    assert float(threshold(leaky.view, signal=signals.min_k)[5]) == pytest.approx(float(few.mean()), rel=1e-5)
    z = ((lp - scored.mean[0]) / scored.deviation[0])[:count].sort().values[: -(-count // 5)]
    plus = threshold(leaky.view, signal=signals.min_k_plus_plus)[5]
    assert float(plus) == pytest.approx(float(z.mean()), rel=1e-5)


def test_a_base_is_asked_only_where_it_is_given(leaky):
    from dataclasses import replace

    assert torch.equal(leaky.view.reader.signal(signals.loss, leaky.view.base, leaky.view.records), -_base_lp(leaky))
    with pytest.raises(InputError, match="Name it as `base`"):
        base_ratio(replace(leaky.view, base=None))


def _base_lp(leaky):
    scored = base().token_logprobs(list(leaky.view.records.x[slice(0, 2 * HALF)]["text"]))
    return (scored.log_probability.double() * (scored.tokens >= 0)).sum(1) / scored.count


def test_recall_reads_texts_that_are_no_trial_of_its_own(leaky):
    asked = []
    target = leaky.view.target

    def watching(batch):
        asked.append(batch)
        return target(batch)

    from dataclasses import replace

    watched = MembershipGame(replace(leaky.view, target=watching), leaky.member)
    watched.play(partial(recall, shots=2))
    prefixes = {prefix for batch in asked if "prefix" in batch for prefix in batch["prefix"]}
    others = set(said(0)[HALF:])
    assert len(prefixes) > 1
    assert all(set(prefix.strip().split("\n\n")) <= others for prefix in prefixes)


def test_near_copies_differ_in_few_words_and_are_the_same_every_time():
    seen = []

    def model(batch):
        seen.append(list(batch["text"]))
        return torch.zeros(len(batch), 3, 4)

    said = sentences(5, words=20)
    texts = pd.DataFrame({"text": [*said[:4], said[4].replace(" ", "\n", 1), "alone"]})
    for number in (0, 0, 1):
        neighbour(model, texts, torch.zeros(6, 3), number=number, share=0.15)
    assert seen[0] == seen[1] != seen[2]
    assert sorted(seen[0][5]) <= sorted("alone")  # one word: its letters
    assert "\n" in seen[0][4] or texts["text"][4].split()[0] not in seen[0][4]
    for changed, text in zip(seen[0][:5], texts["text"][:5], strict=True):
        assert changed != text
        assert set(changed.split()) <= set(text.split())
        assert len(changed.split()) >= 17


def test_an_audit_of_texts_says_what_it_found_and_voids_what_cannot_be_told(tmp_path):
    texts = said(0)
    report = pm.audit(model(0), frame(texts[:HALF]), frame(texts[HALF:]), base=base())
    assert {describe(attack) for attack in (threshold, base_difference, zlib_ratio)} <= {
        finding.attack for finding in report.findings
    }
    assert all(not finding.failed for finding in report.findings)
    by_name = {check.name: check for check in report.checks}
    assert any("passages" in name for name in by_name)
    assert any("was tuned from" in name for name in by_name)
    report.save(tmp_path / "report")
    shifted = [f"{text} whale" for text in texts[:HALF]]
    void = pm.audit(model(0), frame(shifted), frame(texts[HALF:]), attacks=[threshold])
    assert any(check.voids for check in void.checks)
