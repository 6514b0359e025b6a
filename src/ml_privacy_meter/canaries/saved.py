"""Scores of canaries in a file."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Scores


def save_scores(scores: Scores, file: str | Path) -> Path:
    """The new .npz file with ``score`` and ``member`` of each canary.

    Raises:
        InputError: there is a file already, or no folder for it.
    """
    path = Path(file)
    if path.suffix != ".npz":
        raise InputError(f"Scores of canaries go to an .npz file, found `{path}`. Name one.")
    try:
        with path.open("xb") as opened:
            np.savez(opened, score=scores.score.numpy(), member=scores.truth.numpy())
    except OSError as problem:
        raise InputError(
            f"Scores of canaries go to a new file, and {path} cannot be made: {problem.strerror}."
        ) from problem
    return path


def load_scores(file: str | Path) -> Scores:
    """The scores in a file as `save_scores` writes it.

    Raises:
        InputError: there is none, or it holds something else.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            score, member = np.asarray(found["score"], np.float64), found["member"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"Scores of canaries are an .npz file with the arrays `score` and `member`, `{file}` is not: "
            f"{problem!s:.200}. Let `GradientCanaries.save` write it."
        ) from problem
    if score.ndim != 1 or member.shape != score.shape or not np.isin(member, (0, 1)).all():
        raise InputError(
            f"`score` and `member` in `{file}` must hold a number and a yes or no for each canary, found the shapes "
            f"{score.shape} and {member.shape}."
        )
    return Scores(torch.from_numpy(score), torch.from_numpy(member.astype(bool)))
