"""What did a record look like? Attacks on what a client sends back or on a finished model, and their games."""

from ml_privacy_meter.reconstruction.analytic import analytic
from ml_privacy_meter.reconstruction.classes import ClassAttack, ClassGame, ClassView, Seen, correlation
from ml_privacy_meter.reconstruction.closed_form import closed_form
from ml_privacy_meter.reconstruction.game import Match, ReconstructionGame
from ml_privacy_meter.reconstruction.gradients import cosine, dlg
from ml_privacy_meter.reconstruction.imprint import expected_share, imprint, imprinted
from ml_privacy_meter.reconstruction.informed import (
    InformedAttack,
    InformedGame,
    InformedView,
    Likeness,
    Linear,
    Range,
    Shadows,
    range_of,
)
from ml_privacy_meter.reconstruction.invert_classes import invert_classes
from ml_privacy_meter.reconstruction.labels import inferred_labels, mean_answer
from ml_privacy_meter.reconstruction.learned import learned
from ml_privacy_meter.reconstruction.likeliest import likeliest
from ml_privacy_meter.reconstruction.likeness import psnr, ssim, unlike
from ml_privacy_meter.reconstruction.refitted import refitted
from ml_privacy_meter.reconstruction.view import Attack, DoesNotApplyError, View

__all__ = [
    "Attack",
    "ClassAttack",
    "ClassGame",
    "ClassView",
    "DoesNotApplyError",
    "InformedAttack",
    "InformedGame",
    "InformedView",
    "Likeness",
    "Linear",
    "Match",
    "Range",
    "ReconstructionGame",
    "Seen",
    "Shadows",
    "View",
    "analytic",
    "closed_form",
    "correlation",
    "cosine",
    "dlg",
    "expected_share",
    "imprint",
    "imprinted",
    "inferred_labels",
    "invert_classes",
    "learned",
    "likeliest",
    "mean_answer",
    "psnr",
    "range_of",
    "refitted",
    "ssim",
    "unlike",
]
