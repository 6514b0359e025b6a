"""Was this record in the training set?"""

from ml_privacy_meter.membership.game import Attack, MembershipGame, View, describe, needs_population
from ml_privacy_meter.membership.quantile import quantile
from ml_privacy_meter.membership.threshold import gap, threshold

__all__ = ["Attack", "MembershipGame", "View", "describe", "gap", "needs_population", "quantile", "threshold"]
