"""The audit of a claim from end to end: what is refuted and what is not, and that nothing is trained twice."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from opacus import GradSampleModule
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import ml_privacy_meter as pm
from ml_privacy_meter import InputError, Scores, audit_dp, claims, risk
from ml_privacy_meter.claims import DPAudit, judge, play

SCHEMA = json.loads(files("ml_privacy_meter.claims").joinpath("schema.json").read_text())
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(400, 6)).astype(np.float32), np.arange(400) % 3
CLAIM = {"epsilon": 1.0, "delta": 1e-5}
TRAINED: list[int] = []


def by_heart(x, y, seed):
    TRAINED.append(len(y))
    return DecisionTreeClassifier(random_state=seed % 1000).fit(x, y)


def of_nothing(x, y, seed):
    """Its answers hang on nothing but the classes."""
    return DummyClassifier(strategy="uniform", random_state=0).fit(x, y)


def by_heart_of_words(x, y, seed):
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(C=1e4, max_iter=2_000)).fit(x, y)


def network(x, y, seed):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(6, 128), torch.nn.ReLU(), torch.nn.Linear(128, 3))
    steps, labels = (
        torch.optim.Adam(model.parameters(), lr=0.02),
        torch.from_numpy(np.unique(y, return_inverse=True)[1]),
    )
    for _ in range(150):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), labels).backward()
        steps.step()
    return model.eval()


def broken(x, y, seed):
    raise RuntimeError("no memory")


@pytest.mark.parametrize("kind", ["mislabelled", "random"])
def test_a_training_that_learns_by_heart_is_refuted(kind):
    found = audit_dp(by_heart, (X, np.arange(400) % 10), **CLAIM, canaries=kind, count=400)
    assert found.verdict == "refuted"
    assert found.exit_status == 1
    assert found.bound.value > 1.5
    assert found.bound.trials == 400
    assert str(found).startswith("Claim refuted at confidence 95%: this training does not keep to epsilon 1 ")


def test_a_training_that_looks_at_nothing_is_consistent_over_many_seeds():
    """At 95%, three of 30 or more are refuted in one of five such tests by chance; of the bound, far fewer."""
    verdicts = [audit_dp(of_nothing, (X, Y), **CLAIM, count=200, seed=seed).verdict for seed in range(10)]
    assert verdicts.count("refuted") <= 1
    assert verdicts.count("consistent") >= 9


def test_a_claim_that_so_few_canaries_cannot_refute_is_not_called_consistent():
    found = audit_dp(by_heart, (X, Y), epsilon=8.0, delta=1e-5, count=200)
    assert found.bound.most < 8
    assert found.verdict == "untestable"
    assert found.exit_status == 3
    assert "speaks neither for nor against" in str(found)
    assert "8,931 canaries" in str(found)


def test_a_claim_beyond_all_canaries_is_called_so():
    member = torch.arange(100) % 2 == 0
    found = judge(Scores(member.double(), member), epsilon=1e4, delta=1e-5)
    assert found.verdict == "untestable"
    assert "any number of canaries" in str(found)


def test_so_many_canaries_as_are_asked_for_could_refute():
    """The number in the message is the least at which right guesses alone are enough, were delta 0."""
    epsilon, least = 2.0, claims.words.fewest(2.0, 0.95)
    assert (
        play.could_show(least, delta=0.0, guesses=least)
        <= epsilon
        < play.could_show(least + 1, delta=0.0, guesses=least + 1)
    )


def test_a_canary_is_scored_by_what_the_model_says_of_its_own_label():
    """A tree that learned by heart is sure of the canaries that were in, and of few others."""
    found = audit_dp(by_heart, (X, Y), **CLAIM, count=200)
    assert risk.auc(found.scores).value > 0.8
    assert found.scores.members.max() == found.scores.members.min() == pytest.approx(0, abs=1e-6)


def test_the_training_is_given_all_records_but_the_canaries_that_a_coin_left_out():
    TRAINED.clear()
    found = audit_dp(by_heart, (X, Y), **CLAIM, count=200)
    assert [found.says["trained_on"]] == TRAINED
    assert TRAINED[0] == 200 + int(found.scores.truth.sum())


def test_the_same_audit_trains_nothing_a_second_time_and_says_the_same(tmp_path):
    TRAINED.clear()
    one, same = (audit_dp(by_heart, (X, Y), **CLAIM, count=100, store=tmp_path) for _ in range(2))
    assert len(TRAINED) == 1
    assert one.document == same.document
    for changed in ({"seed": 1}, {"canaries": "random"}, {"count": 101}):
        TRAINED.clear()
        audit_dp(by_heart, (X, Y), **CLAIM, **({"count": 100} | changed), store=tmp_path)
        assert len(TRAINED) == 1
    TRAINED.clear()
    audit_dp(by_heart, (X, Y), epsilon=0.5, delta=0.0, count=100, store=tmp_path)  # another claim of the same
    assert not TRAINED


def test_tables_and_labels_that_are_words_are_audited():
    table = pd.DataFrame({f"c{i}": RNG.choice(list("abcdefgh"), 400) for i in range(8)})
    found = audit_dp(by_heart_of_words, (table, np.array(["no", "yes"])[Y % 2]), **CLAIM, count=200)
    assert risk.auc(found.scores).value > 0.6


def test_a_network_with_labels_that_are_words_is_read_in_their_sorted_order():
    found = audit_dp(network, (X, np.array(["c", "a", "b"])[Y]), **CLAIM, count=200)
    assert risk.auc(found.scores).value > 0.8


def as_opacus_wraps_it(x, y, seed):
    return GradSampleModule(network(x, y, seed))


def test_a_network_may_be_returned_as_opacus_wrapped_it():
    one, same = (audit_dp(train, (X, Y), **CLAIM, count=100) for train in (network, as_opacus_wraps_it))
    assert torch.allclose(one.scores.score, same.scores.score, atol=1e-5)


def test_all_records_may_be_canaries():
    assert audit_dp(by_heart, (X, Y), **CLAIM, count=400).bound.trials == 400


def test_half_of_few_records_are_canaries_and_a_thousand_of_many():
    assert audit_dp(of_nothing, (X, Y), **CLAIM).bound.trials == 200
    assert play.default_count(5_000) == 1_000


def test_the_verdict_rests_on_the_bound_that_needs_no_family_alone():
    score = np.random.default_rng(0).laplace(size=2_000)
    member = np.random.default_rng(1).random(2_000) < 0.5
    scores = Scores(torch.from_numpy(score + member), torch.from_numpy(member))  # of epsilon 1
    found = judge(scores, epsilon=1.0, delta=1e-5)
    assert found.others[0].value > 1 > found.bound.value
    assert found.verdict == "consistent"
    said = claims.words.remark(found.document)
    assert "By itself it refutes nothing" in said
    assert said in claims.words.markdown(found.document)


def test_a_claim_without_delta_has_no_bound_inside_the_gaussian_family():
    member = torch.arange(100) % 2 == 0
    assert judge(Scores(member.double(), member), epsilon=1.0, delta=0.0).others == ()


def saved(folder: Path, **how: object) -> DPAudit:
    found = audit_dp(by_heart, (X, Y), **({**CLAIM, "count": 200} | how))
    found.save(folder)
    return found


@pytest.mark.parametrize("how", [{}, {"epsilon": 8.0}, {"delta": 0.0}])
def test_the_folder_holds_what_the_schema_says_and_a_page_for_people(how, tmp_path):
    found = saved(tmp_path / "claim", **how)
    assert {path.name for path in (tmp_path / "claim").iterdir()} == {"claim.json", "claim.md"}
    content = json.loads((tmp_path / "claim" / "claim.json").read_text())
    Draft202012Validator(SCHEMA).validate(content)
    assert content == found.document
    page = (tmp_path / "claim" / "claim.md").read_text()
    assert str(found) in page
    for bound in content["bounds"]:
        assert bound["name"] in page


def test_every_field_of_the_file_is_described():
    def walk(schema, path):
        for name, field in schema.get("properties", {}).items():
            inner = field.get("items", field)
            if "properties" in inner:
                yield from walk(inner, f"{path}.{name}")
            elif "const" not in field:
                yield f"{path}.{name}", field

    for name, field in walk(SCHEMA, ""):
        assert field.get("description"), name


def test_only_an_earlier_audit_of_a_claim_is_replaced(tmp_path):
    saved(tmp_path / "claim")
    again = saved(tmp_path / "claim", epsilon=8.0)
    assert json.loads((tmp_path / "claim" / "claim.json").read_text())["verdict"] == again.verdict == "untestable"
    (tmp_path / "claim" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not written over"):
        saved(tmp_path / "claim")
    assert (tmp_path / "claim" / "notes.txt").read_text() == "mine"


def test_a_delta_that_lets_a_record_be_published_is_pointed_out(tmp_path):
    saved(tmp_path / "claim", delta=0.01)
    assert "publish a record" in (tmp_path / "claim" / "claim.md").read_text()
    saved(tmp_path / "other")
    assert "publish a record" not in (tmp_path / "other" / "claim.md").read_text()


def test_a_consistent_claim_is_no_comfort_where_canaries_are_weak():
    audit = audit_dp(of_nothing, (X, Y), **CLAIM, count=200)
    said = claims.words.markdown(audit.document)
    assert "no proof of the claim" in said
    assert "Canaries among the records are weak" in said
    of_gradients = judge(audit.scores, **CLAIM)
    assert "Canaries among the records are weak" not in claims.words.markdown(of_gradients.document)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 1.0}, "delta"),
        ({"delta": -1e-5}, "delta"),
        ({"count": 401}, "20 to 400"),
        ({"canaries": "mislabeled"}, "mislabelled"),
        ({"seed": -1}, "seed"),
        ({"guesses": 300, "count": 200}, "guesses"),
        ({"train": broken}, "no memory"),
        ({"train": "nowhere:train"}, "nowhere"),
    ],
)
def test_what_cannot_be_used_is_refused(given, says):
    given = {"train": of_nothing, "data": (X, Y), **CLAIM, "count": 200} | given
    with pytest.raises(InputError, match=says):
        pm.audit_dp(given.pop("train"), given.pop("data"), **given)
