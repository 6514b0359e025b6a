"""The property games: do a client's records have a property; which share of a training set's records do?"""

from ml_privacy_meter.property.game import Attack, PropertyGame, Trial, View
from ml_privacy_meter.property.kl import kl
from ml_privacy_meter.property.learned import learned
from ml_privacy_meter.property.loss_test import loss_test
from ml_privacy_meter.property.per_point import per_point
from ml_privacy_meter.property.permutation_invariant import permutation_invariant
from ml_privacy_meter.property.regressed import regressed
from ml_privacy_meter.property.snap import snap
from ml_privacy_meter.property.worlds import Models, Placed, Poisoned, Weights, WorldsGame, WorldsView, place

__all__ = [
    "Attack",
    "Models",
    "Placed",
    "Poisoned",
    "PropertyGame",
    "Trial",
    "View",
    "Weights",
    "WorldsGame",
    "WorldsView",
    "kl",
    "learned",
    "loss_test",
    "per_point",
    "permutation_invariant",
    "place",
    "regressed",
    "snap",
]
