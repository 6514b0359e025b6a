"""What did a record look like? The challenger keeps the records; the adversary is a function of its view."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.reconstruction.likeness import all_psnr, psnr, ssim
from ml_privacy_meter.reconstruction.view import Attack, View


@dataclass(frozen=True)
class Match:
    """Guesses beside the records that they were matched with, one of each.

    Args:
        guess: the image that stands for each record, in the order of the records.
        found: how many of them the attack gave; for the rest stands the mean public image.
        psnr: of each pair, in dB, at most 120.
        ssim: of each pair; None where records are no images of at least 7 x 7.
    """

    guess: Float[Tensor, "records ..."]
    found: int
    psnr: Float[Tensor, " records"]
    ssim: Float[Tensor, " records"] | None


@dataclass(frozen=True)
class ReconstructionGame:
    """The challenger.

    Args:
        view: all that an attack is shown.
        records: the client's, which it is not.

    Raises:
        InputError: the records are not of the public ones' shape, not as many as the view says, or among them.
    """

    view: View
    records: Float[Tensor, "records ..."]

    def __post_init__(self) -> None:
        view, records = self.view, self.records
        if records.shape != (view.count, *view.shape):
            raise InputError(
                f"The client's records must be {view.count} of shape {view.shape}, as public ones are, found "
                f"{tuple(records.shape)}."
            )
        if records.min() < view.span[0] or records.max() > view.span[1]:
            raise InputError(f"Records must lie within `span`, {view.span}, found {records.min()} to {records.max()}.")
        flat = (self._records.flatten(1), view.public.double().cpu().flatten(1))
        shared = torch.cdist(*flat, compute_mode="donot_use_mm_for_euclid_dist").amin(1) == 0
        if shared.any():
            raise InputError(
                f"Public records must not be the client's, and record {int(shared.nonzero()[0])} is among them: the "
                "nearest public image would be the record itself. Take it out of `public`."
            )

    def play(self, attack: Attack) -> Match:
        """Hands the view, and only the view, to the attack; matches what it gives with the records, one with one.

        Guesses come in no order: the matching with the highest sum of PSNRs is taken, by the Hungarian method. It
        knows the records, and so it flatters attacks a little, as `nearest` flatters the baseline.
        """
        found = self._checked(attack(self.view))
        rest = self.view.mean_image().cpu().expand(self.view.count - len(found), *self.view.shape)
        guesses = torch.cat([found, rest])
        rows, columns = linear_sum_assignment(-all_psnr(guesses, self._records, self.view.span).numpy())
        return self._match(guesses[rows[columns.argsort()]], len(found))

    def nearest(self) -> Match:
        """The baseline: of each record the public image with the highest PSNR.

        To choose it takes the record itself, so no adversary can: who does not beat it has shown no leak.
        """
        public = self.view.public.double().cpu()
        return self._match(public[all_psnr(public, self._records, self.view.span).argmax(0)], 0)

    def mean(self) -> Match:
        """The baseline of who looks at nothing: the mean public image for each record."""
        return self._match(self.view.mean_image().cpu().expand(self._records.shape), 0)

    @property
    def _records(self) -> Tensor:
        return self.records.double().cpu()

    def _match(self, guess: Tensor, found: int) -> Match:
        pair = (guess, self._records, self.view.span)
        return Match(guess, found, psnr(*pair), ssim(*pair))

    def _checked(self, found: Any) -> Tensor:
        if not isinstance(found, Tensor) or found.shape[1:] != self.view.shape or len(found) > self.view.count:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InputError(
                f"An attack must give at most {self.view.count} records of shape {self.view.shape}, found {shape}."
            )
        guesses = found.detach().double().cpu()
        if not guesses.isfinite().all():
            raise InputError("What an attack gives must be finite.")
        return guesses.clamp(*self.view.span)  # no record lies outside: who looks at it would cut it off
