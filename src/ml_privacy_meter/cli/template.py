"""The commented run file that ``privacy-meter init`` prints."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
import torch

from ml_privacy_meter import targets
from ml_privacy_meter.audit import default_attacks, weights_of
from ml_privacy_meter.case import answered
from ml_privacy_meter.cli.runfile import STORE, check_settings, importable, open_all
from ml_privacy_meter.membership import describe
from ml_privacy_meter.types import Records

TEMPLATE = Template("""\
# An audit of what a model reveals about the records it was trained on.
# Run it with: privacy-meter run audit.toml      Paths are relative to this file.

out = "report"                      # the folder that the report goes to
# pdf = true                        # adds report.pdf to it; needs pip install "ml-privacy-meter[pdf]"
# show_records = 20                 # index.html shows so many of the most exposed training records: personal data

[model]
# Detected: $model
$model_settings
# outputs = "logits"                # what it answers in: "logits", "probabilities", or "values" (regression)
# task = "classes"                  # what the labels are: "classes", "labels" (several at once), "regression"
# classes = ["cat", "dog"]          # names of its classes in the order of its outputs
# preprocess = "my_module:function" # applied to each batch before the model
# base = "base-model"               # of a language model: the folder of what it was tuned from (docs/text.md)
# snapshots = ["epoch5.pt2"]        # the model earlier in its training, the oldest first (docs/federated-membership.md)

[members]                           # records that it was trained on
# Detected: $members
$members_settings

[non_members]                       # records of the same source that it never saw
# Detected: $non_members
$non_members_settings
# label, id, features, drop, groups, probabilities, logits: names of columns or arrays, in either section
# by group: $groups

# [references]                      # models trained like the target, which the strongest attacks need
# count = 16
# train = "my_training:train"       # train(x, y, seed) -> model, of any framework
# or, for a PyTorch module, in place of `train`; "like-target" starts the target's own architecture anew
# recipe = { architecture = "like-target", optimizer = "adam", lr = 1e-3, epochs = 50, batch_size = 128 }
# or, for a language model that was tuned from `base`
# fine_tuning = { rank = 8, epochs = 3, lr = 2e-4, batch_size = 8 }

# [trace]                           # of the federated training that ended with this model
# path = "trace"
# view = "aggregator"               # who watched: or server-averages, participant:NAME, outsider

[attacks]                           # each line is an attack and its settings; leave all out for these defaults
$attacks

# [attribute]                       # other secrets: each section is a game beside membership (docs/games.md)
# columns = ["age"]                 # columns that are guessed from the others, with the model and without
# [extraction]
# budgets = [50, 200]               # numbers of queries that the model is copied with

[figures]
fpr = [0.1, 0.01, 0.001]            # false positive rates; 0.001 needs 1,000 non-members, and there are $count
confidence = 0.95                   # of every interval
# users = "author"                  # the column that says whose a record is: adds figures by user (docs/authors.md)

# [guarantee]                       # what is claimed of the training: figures then have ceilings (docs/guarantees.md)
# noise_multiplier = 1.0            # DP-SGD; or epsilon = 3 and delta = 1e-5, or mu = 1, of any mechanism
# sample_rate = 0.01                # batch size over the number of training records
# steps = 1000

# [assessment]                      # what only you know of the impact assessment dpia.md, by the names of its blanks
# purposes = "..."                  # or, in place of the section: assessment = "answers.toml"

[run]
seed = 0                            # of everything that is drawn at random
device = "auto"                     # a GPU where there is one
store = "$store"            # keeps what was read off the model; delete it when you are done

# [gate]                            # limits; one that is exceeded makes the exit status 1 (docs/gate.md)
# max = ["AUC<=0.6", "TPR@1%FPR<=5%"]

# [defenses]                        # what `privacy-meter defend` tries, and what each costs (docs/defend.md)
# early_stopping = { epochs = [5, 10] }
""")


def run_file(settings: Mapping[str, Any]) -> str:
    """A run file with these settings, what was detected in comments; the model is asked about the first records."""
    settings = {"out": "report", **settings}
    check_settings(settings)
    with importable(Path()):
        opened, *sides = open_all(settings, Path(), Path(STORE))
        saved = opened.inner is targets.as_saved
        if saved:
            opened, *sides = answered(opened, *sides)
        target, *sides = targets.fit(opened, *sides)
    groups = ", ".join(sorted({*sides[0].groups, *sides[1].groups}))
    named = f" ({', '.join(target.classes)})" if target.classes else ""
    return TEMPLATE.substitute(
        model=_line(target.says + named),
        model_settings="# path: none, its answers stand beside the records" if saved else _lines(settings["model"]),
        members=_seen(sides[0]),
        members_settings=_lines(settings["members"]),
        non_members=_seen(sides[1]),
        non_members_settings=_lines(settings["non_members"]),
        groups=groups or "name columns in both sections, as in groups = [column]",
        attacks=_attacks(target, sides[0]),
        count=f"{len(sides[1]):,}",
        store=STORE,
    )


def _lines(section: Mapping[str, Any]) -> str:
    # what JSON writes of text, numbers and lists of them is TOML too
    return "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in section.items())


def _line(text: str) -> str:
    return " ".join(text.split())


def _seen(side: Records) -> str:
    one = side.x[slice(0, 1)]
    labels = side.labels
    if labels.is_floating_point():
        said = f"labels are quantities from {float(labels.min()):g} to {float(labels.max()):g}"
    elif labels.dtype == torch.bool:
        said = f"{labels.shape[1]} labels at once"
    else:
        said = f"labels of {len(set(labels.tolist()))} classes"
    if isinstance(one, pd.DataFrame):
        columns = ", ".join(one.columns[:10]) + (", ..." if one.shape[1] > 10 else "")
        return _line(f"{len(side):,} records, a table of {one.shape[1]} columns ({columns}), {said}")
    return f"{len(side):,} records of shape {tuple(one.shape[1:])} ({str(one.dtype).removeprefix('torch.')}), {said}"


def _attacks(target: Any, side: Records) -> str:
    """One line for each attack by default, as the run file takes them: without signals that have settings."""
    by_name: dict[str, list[str]] = {}
    labels = side.labels
    reached = weights_of(target, (), side.x[slice(0, 2)], labels[:2])
    for said in map(describe, default_attacks(labels, weights=reached)):
        if "(" in said.partition("(")[2]:
            continue
        name, _, rest = said.partition("(")
        key, _, value = rest.rstrip(")").partition("=")
        by_name.setdefault(name, []).append(f'{{ {key} = "{value}" }}' if key else "{}")
    lines = (f"{name} = {s[0] if len(s) == 1 else '[' + ', '.join(s) + ']'}" for name, s in by_name.items())
    return "\n".join(lines)
