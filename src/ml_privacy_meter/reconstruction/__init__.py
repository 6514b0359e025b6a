"""What did a record look like? Attacks on what one client sends back, and the game that judges them."""

from ml_privacy_meter.reconstruction.analytic import analytic
from ml_privacy_meter.reconstruction.game import Match, ReconstructionGame
from ml_privacy_meter.reconstruction.gradients import cosine, dlg
from ml_privacy_meter.reconstruction.imprint import expected_share, imprint, imprinted
from ml_privacy_meter.reconstruction.labels import inferred_labels, mean_answer
from ml_privacy_meter.reconstruction.likeness import psnr, ssim, unlike
from ml_privacy_meter.reconstruction.view import Attack, DoesNotApplyError, View

__all__ = [
    "Attack",
    "DoesNotApplyError",
    "Match",
    "ReconstructionGame",
    "View",
    "analytic",
    "cosine",
    "dlg",
    "expected_share",
    "imprint",
    "imprinted",
    "inferred_labels",
    "mean_answer",
    "psnr",
    "ssim",
    "unlike",
]
