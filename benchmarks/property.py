"""Which share of a training set were women? The game of worlds on Adult.

python benchmarks/property.py --data ../shared/data
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import ml_privacy_meter as pm
from ml_privacy_meter.inferring.properties import infer_properties

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]
WORDS = ["workclass", "education", "marital_status", "occupation", "relationship", "race", "sex", "native_country"]


def adult(data: Path, seed: int) -> tuple[pm.Records, pm.Records]:
    """All of Adult as numbers, in two halves drawn at random; sex is a group too."""
    table = pd.read_csv(data / "adult.csv.gz", keep_default_na=False)
    numbers = table[NUMBERS].assign(
        capital_gain=np.log1p(table.capital_gain), capital_loss=np.log1p(table.capital_loss)
    )
    x = pd.concat([(numbers - numbers.mean()) / numbers.std(), pd.get_dummies(table[WORDS])], axis=1)
    y = table.income.str.startswith(">50K").astype(int)
    rows = np.random.default_rng(seed).permutation(len(x))
    return tuple(
        pm.as_records(
            x.iloc[part]
            .astype(np.float32)
            .assign(women=(table.sex == "Female").iloc[part].astype(int), y=y.iloc[part]),
            groups="women",
            drop="women",
            label="y",
            name=name,
        )
        for name, part in zip(("members", "non-members"), np.array_split(rows, 2), strict=True)
    )


def network(features: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(features, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
