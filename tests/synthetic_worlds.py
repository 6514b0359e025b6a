"""Worlds of synthetic records in which it is known what they tell."""

import numpy as np
import torch

from ml_privacy_meter.synthetic import (
    GuessGame,
    GuessView,
    LinkGame,
    LinkView,
    MemberGame,
    SinglingGame,
    SinglingView,
    Table,
    View,
)

NAMES = ("age", "income", "job", "town", "height")
WORDS = (0, 0, 6, 9, 0)
COUNT = 300


def draw(rng: np.random.Generator, count: int = COUNT) -> Table:
    """Records of one source: numbers and words that hang together, and a value missing here and there."""
    age, job = rng.normal(40, 10, count), rng.integers(0, 6, count)
    income = 100 * age + 900 * job + rng.normal(0, 300, count)
    town = (job + rng.integers(0, 4, count)) % 9
    height = np.where(rng.random(count) < 0.05, np.nan, rng.normal(170, 9, count))
    return Table(np.stack([age, income, job, town, height], 1), NAMES, WORDS)


def joined(*tables: Table) -> Table:
    return Table(np.concatenate([table.values for table in tables]), NAMES, WORDS)


def sides(seed: int, *, copies: bool, noise: float = 0.001) -> tuple[Table, Table, Table, Table]:
    """Synthetic records, members, non-members, reference: copies of members with a little noise, or a fresh draw."""
    rng = np.random.default_rng(seed)
    synthetic, members, others, reference = (draw(rng) for _ in range(4))
    if copies:
        values = members.values.copy()
        values[:, [0, 1, 4]] *= 1 + noise * rng.normal(size=(COUNT, 3))
        synthetic = Table(values[rng.permutation(COUNT)], NAMES, WORDS)
    return synthetic, members, others, reference


def mixed(seed: int, members: Table, others: Table) -> tuple[Table, torch.Tensor]:
    order = np.random.default_rng(seed).permutation(2 * COUNT)
    return joined(members, others).take(order), torch.from_numpy(order < COUNT)


def membership(seed: int = 0, *, copies: bool) -> MemberGame:
    synthetic, members, others, reference = sides(seed, copies=copies)
    asked, member = mixed(seed, members, others)
    return MemberGame(View(asked, synthetic, reference), member)


def singling(seed: int = 0, *, copies: bool) -> SinglingGame:
    synthetic, members, others, _ = sides(seed, copies=copies, noise=0.0)
    return SinglingGame(SinglingView(synthetic, 200, seed), members, others)


def linking(seed: int = 0, *, copies: bool) -> LinkGame:
    synthetic, members, others, _ = sides(seed, copies=copies)
    asked, member = mixed(seed, members, others)
    order = np.random.default_rng(seed + 1).permutation(len(asked))
    right = asked.only(("income", "town")).take(order)
    return LinkGame(LinkView(asked.only(("age", "job", "height")), right, synthetic), np.argsort(order), member)


def guessing(seed: int = 0, *, copies: bool, secret: str = "job") -> GuessGame:
    synthetic, members, others, _ = sides(seed, copies=copies)
    asked, member = mixed(seed, members, others)
    known = [name for name in ("age", "town", "height") if name != secret]
    view = GuessView(asked.only(known), synthetic.only([*known, secret]), secret)
    return GuessGame(view, asked.only([secret]).values[:, 0], member)
