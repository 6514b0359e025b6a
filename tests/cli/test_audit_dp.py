"""The command ``privacy-meter audit-dp``: options, a file, saved scores, exit statuses; and nothing is written over."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from cli.desk import Desk

from ml_privacy_meter import Scores
from ml_privacy_meter.canaries import save_scores

TRAINING = """
from pathlib import Path

from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier

def by_heart(x, y, seed):
    Path("trained").write_text(Path("trained").read_text() + "x" if Path("trained").exists() else "x")
    return DecisionTreeClassifier(random_state=0).fit(x, y)

def of_nothing(x, y, seed):
    return DummyClassifier(strategy="uniform").fit(x, y)
"""
FILE = """
out = "claim"
train = "claimed:by_heart"
epsilon = 1
delta = 1e-5
canaries = "random"
count = 300
seed = 3
guesses = [30, 100]
[data]
path = "records.npz"
label = "kind"
"""
OPTIONS = ("audit-dp", "--data", "records.npz", "--label", "kind", "--delta", "1e-5", "--out", "claim")


@pytest.fixture
def at(desk: Desk) -> Desk:
    rng = np.random.default_rng(0)
    np.savez("records.npz", x=rng.normal(size=(400, 5)).astype(np.float32), kind=np.arange(400) % 10)
    desk.write("claimed.py", TRAINING)
    return desk


def found(desk: Desk, folder: str = "claim") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((desk.folder / folder / "claim.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize(
    ("function", "epsilon", "status", "verdict"),
    [("by_heart", 1, 1, "refuted"), ("of_nothing", 1, 0, "consistent"), ("by_heart", 9, 3, "untestable")],
)
def test_the_exit_status_is_the_verdict(function: str, epsilon: int, status: int, verdict: str, at: Desk) -> None:
    said = at.run(*OPTIONS, "--train", f"claimed:{function}", "--epsilon", epsilon)
    assert said.status == status, said.err
    content = found(at)
    assert content["verdict"] == verdict
    assert content["claim"] == {"epsilon": epsilon, "delta": 1e-5}
    assert content["how"]["canaries"] == "mislabelled"
    words = " ".join(said.out.split())
    assert content["says"] in words
    assert "Audit: " in words
    assert ("cannot refute a claim of 9" in said.err) == (verdict == "untestable")


def test_a_file_says_the_same_and_an_option_counts_before_it(at: Desk) -> None:
    at.write("claim.toml", FILE)
    assert at.run("audit-dp", "claim.toml").status == 1
    content = found(at)
    assert content["how"]["canaries"] == "random"
    assert content["how"]["seed"] == 3
    assert content["canaries"]["count"] == 300
    assert any(content["bounds"][0]["note"].split(" of ")[1].startswith(f"{made} ") for made in (30, 100))
    assert at.run("audit-dp", "claim.toml", "--epsilon", 9, "--count", 250, "--out", "other").status == 3
    assert found(at, "other")["canaries"]["count"] == 250
    assert found(at) == content


def test_a_run_that_was_killed_after_training_does_not_train_again(at: Desk) -> None:
    at.write("claim.toml", FILE)
    one = at.run("audit-dp", "claim.toml", "--json")
    same = at.run("audit-dp", "claim.toml", "--json")
    assert (at.folder / "trained").read_text() == "x"
    assert one.out == same.out
    assert json.loads(one.out)["verdict"] == "refuted"


def test_scores_of_a_training_that_is_over_are_judged(at: Desk) -> None:
    member = torch.from_numpy(np.random.default_rng(0).random(500) < 0.5)
    save_scores(Scores(member.double(), member), "canaries.npz")
    said = at.run("audit-dp", "--scores", "canaries.npz", "--epsilon", 2, "--delta", 1e-5, "--out", "claim", "--quiet")
    assert said.status == 1
    assert said.out == ""
    assert said.err.startswith("Claim refuted at confidence 95%")
    assert found(at)["canaries"] == {"count": 500, "inside": int(member.sum())}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--train", "claimed:by_heart"), ("`epsilon`", "--epsilon")),
        (("--epsilon", "1"), ("`train`",)),
        (("--train", "claimed:by_hart", "--epsilon", "1"), ("by_hart",)),
        (("--train", "claimed:by_heart", "--epsilon", "1", "--canaries", "mislabeled"), ("mislabelled",)),
        (("--train", "claimed:by_heart", "--epsilon", "1", "--count", "401"), ("20 to 400",)),
        (("--train", "claimed:by_heart", "--epsilon", "-1"), ("epsilon",)),
        (("--scores", "none.npz", "--epsilon", "1"), ("`data`", "Leave one out")),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(words: tuple[str, ...], says: tuple[str, ...], at: Desk) -> None:
    at.refuses(*OPTIONS, *words, says=says)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("epsilom = 1", ("epsilom", "epsilon")),
        ('epsilon = "one"', ("`epsilon`", "a number")),
        ("guesses = 1.5", ("`guesses`",)),
    ],
)
def test_a_slip_in_the_file_is_named(line: str, says: tuple[str, ...], at: Desk) -> None:
    at.write(
        "claim.toml",
        FILE.replace("epsilon = 1", line) if "epsilo" in line else FILE.replace("guesses = [30, 100]", line),
    )
    at.refuses("audit-dp", "claim.toml", says=says)


def test_other_files_are_not_written_over(at: Desk) -> None:
    at.write("claim/notes.txt", "mine")
    at.refuses(*OPTIONS, "--train", "claimed:by_heart", "--epsilon", 1, says=("not written over other files",))


def test_the_help_shows_what_the_exit_status_means(at: Desk) -> None:
    words = " ".join(at.run("audit-dp", "--help").out.split())
    for part in ("0: consistent with the claim", "1: claim refuted", "3: too few canaries", "--scores canaries.npz"):
        assert part in words
