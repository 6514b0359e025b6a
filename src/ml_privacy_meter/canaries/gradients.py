"""Canaries in gradient space: rows among an Opacus optimizer's gradients of single records."""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter.canaries.saved import save_scores
from ml_privacy_meter.types import Scores


class GradientCanaries:
    """Gradients of invented records inside a training with Opacus, and what the training released of them.

    Each is in the training by a coin, and then in each step with the sample rate, as any record is. It joins the
    gradients of the records before they are clipped, so that the optimizer's own code clips it, adds noise, and hands
    the sum on. What is handed on is all that scores are made of: which steps a canary was in is not looked at, since
    the claim rests on that being secret.

    Source: Nasr et al., Tight Auditing of Differentially Private Machine Learning, USENIX Security 2023; Steinke, Nasr
    and Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023, section 6.

    Args:
        optimizer: what `make_private` returned, in the mode "hooks", "functorch" or "ew"; its `pre_step` is replaced.
        sample_rate: how probably a record is in a step: 1 / len(data_loader) with Opacus.
        count: how many canaries, those included that are left out of the training.
        seed: of the coins, the directions and the steps; the training's own random numbers are left alone.
        directions: "random": unit vectors, drawn evenly; "coordinates": one parameter each.
        norm: of a canary before it is clipped, as a multiple of what gradients are clipped to. If clipping works, every
            norm above 1 does the same.
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        sample_rate: float,
        count: int = 1_000,
        seed: int = 0,
        directions: Literal["random", "coordinates"] = "random",
        norm: float = 10.0,
    ) -> None:
        one_of(directions, ("random", "coordinates"), "choice of `directions`")
        in_range(0, math.inf, norm=norm, count=count)
        if sample_rate != 1:
            in_range(0, 1, sample_rate=sample_rate)
        if not hasattr(optimizer, "pre_step") or not hasattr(optimizer, "max_grad_norm"):
            raise InputError(
                "Canaries in gradient space take an optimizer of Opacus, found a "
                f"{type(optimizer).__name__}. Give the one that `PrivacyEngine.make_private` returned."
            )
        self._parameters = list(optimizer.params)
        self._size = sum(p.numel() for p in self._parameters)
        if directions == "coordinates" and count > self._size:
            raise InputError(f"Each canary takes a parameter of its own, found {count} for {self._size} parameters.")
        self.steps = 0
        self._optimizer, self._rate, self._norm, self._seed = optimizer, sample_rate, norm, seed
        coins, self._sampling, places = (np.random.default_rng([seed, part]) for part in range(3))
        self._member = coins.random(count) < 0.5
        self._places = places.permutation(self._size)[:count] if directions == "coordinates" else None
        self._released: Tensor | float = 0.0  # the sum over steps, less what is known of it
        self._known: Tensor | float = 0.0
        self._whole, self._own = True, optimizer.pre_step
        optimizer.pre_step = self._pre_step

    def scores(self) -> Scores:
        """How far all that was released lies along each canary, beside whether it was in.

        Raises:
            InputError: no step was made, or what was released is not finite.
        """
        if not self.steps:
            raise InputError(
                "There must be a step of the optimizer before canaries have scores, found none. Train first."
            )
        released = torch.as_tensor(self._released).cpu()
        score = torch.stack([direction @ released for direction in map(self._direction, range(len(self._member)))])
        return Scores(score, torch.from_numpy(self._member))

    def save(self, file: str | Path) -> Path:
        """The new file with the scores, for `privacy-meter audit-dp --scores`; another is not written over."""
        return save_scores(self.scores(), file)

    def _pre_step(self, closure: Any = None) -> Any:
        """What the optimizer does before the step, with canaries among what it clips."""
        clip = torch.as_tensor(self._optimizer.max_grad_norm, dtype=torch.float64).norm()
        self._known = self._known + self._of_records(float(clip))
        if self._whole:  # of a batch that comes in parts, with the first
            self._join(float(clip))
        done = self._own(closure)
        self._whole = bool(done)
        if done:
            given = torch.cat([p.grad.detach().flatten().double() for p in self._parameters])
            if self._optimizer.loss_reduction == "mean":
                given = given * self._optimizer.expected_batch_size * self._optimizer.accumulated_iterations
            self._released = self._released + given - self._known
            self._known = 0.0
            self.steps += 1
        return done

    def _of_records(self, clip: float) -> Tensor:
        """The sum of the records' own gradients, each clipped as it should be."""
        rows = [torch.cat(parts) if len(parts) > 1 else parts[0] for parts in map(_parts, self._parameters)]
        rows = [each.flatten(1) for each in rows]  # of each parameter by itself: together they may fill the memory
        norms = torch.stack([each.norm(dim=1) for each in rows]).norm(dim=0)
        return torch.cat([(clip / norms.clamp(min=clip)) @ each for each in rows]).double()

    def _join(self, clip: float) -> None:
        """Adds a row for each canary of this step to the gradients of single records."""
        drawn = self._sampling.random(len(self._member)) < self._rate
        rows = np.flatnonzero(drawn & self._member)
        if not len(rows):
            return
        flat = torch.stack([self._direction(int(row)) for row in rows]) * self._norm * clip
        sizes = [p.numel() for p in self._parameters]
        for parameter, added in zip(self._parameters, torch.split(flat, sizes, dim=1), strict=True):
            *before, last = _parts(parameter)
            joined = torch.cat([last, added.reshape(len(rows), *parameter.shape).to(last)])
            parameter.grad_sample = [*before, joined] if before else joined

    def _direction(self, canary: int) -> Float[Tensor, " parameters"]:
        """Of length 1, on the CPU; drawn anew each time, as all together may be larger than memory."""
        if self._places is not None:
            one = torch.zeros(self._size, dtype=torch.float64)
            one[self._places[canary]] = 1
            return one
        rng = np.random.default_rng([self._seed, 3, canary])
        drawn = torch.from_numpy(rng.standard_normal(self._size))
        unit: Tensor = drawn / drawn.norm()
        return unit


def _parts(parameter: Any) -> list[Tensor]:
    """The gradient of each record, a tensor for each backward pass."""
    found = getattr(parameter, "grad_sample", None)
    if found is None:
        raise InputError(
            "Canaries in gradient space need the gradient of each record, and this optimizer has none: it may be in a "
            'ghost mode. Make it private with `grad_sample_mode="hooks"`, and step after a backward pass.'
        )
    return list(found) if isinstance(found, list) else [found]
