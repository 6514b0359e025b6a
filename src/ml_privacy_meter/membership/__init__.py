"""Was this record in the training set?"""

from ml_privacy_meter.membership.access import access, watches_of, weights_read
from ml_privacy_meter.membership.bavaria import bavaria
from ml_privacy_meter.membership.clusters import gradient_clusters
from ml_privacy_meter.membership.describe import describe
from ml_privacy_meter.membership.difference import difference
from ml_privacy_meter.membership.game import MembershipGame, as_rehearsed, rehearsals
from ml_privacy_meter.membership.influence import ends_linear, influence
from ml_privacy_meter.membership.lira import lira
from ml_privacy_meter.membership.marks import needs_known, needs_population, sees_parameters
from ml_privacy_meter.membership.percentile import percentile
from ml_privacy_meter.membership.quantile import quantile
from ml_privacy_meter.membership.ranges import range_membership
from ml_privacy_meter.membership.rmia import rmia
from ml_privacy_meter.membership.shadow import shadow
from ml_privacy_meter.membership.snapshots import snapshots
from ml_privacy_meter.membership.stacked import stacked
from ml_privacy_meter.membership.texts import base_difference, base_ratio, lowercase, neighbourhood, recall, zlib_ratio
from ml_privacy_meter.membership.threshold import gap, threshold
from ml_privacy_meter.membership.updates import update_cosine, update_dot
from ml_privacy_meter.membership.usage import Usage, dataset_usage
from ml_privacy_meter.membership.users import Shadow, UserView, mean_by_user
from ml_privacy_meter.membership.view import Attack, View, gives_log_odds, learns, rehearsed_by
from ml_privacy_meter.membership.watching import Update, watches
from ml_privacy_meter.membership.whitebox import whitebox
from ml_privacy_meter.membership.whitebox_by_references import whitebox_by_references

__all__ = [
    "Attack",
    "MembershipGame",
    "Shadow",
    "Update",
    "Usage",
    "UserView",
    "View",
    "access",
    "as_rehearsed",
    "base_difference",
    "base_ratio",
    "bavaria",
    "dataset_usage",
    "describe",
    "difference",
    "ends_linear",
    "gap",
    "gives_log_odds",
    "gradient_clusters",
    "influence",
    "learns",
    "lira",
    "lowercase",
    "mean_by_user",
    "needs_known",
    "needs_population",
    "neighbourhood",
    "percentile",
    "quantile",
    "range_membership",
    "recall",
    "rehearsals",
    "rehearsed_by",
    "rmia",
    "sees_parameters",
    "shadow",
    "snapshots",
    "stacked",
    "threshold",
    "update_cosine",
    "update_dot",
    "watches",
    "watches_of",
    "weights_read",
    "whitebox",
    "whitebox_by_references",
    "zlib_ratio",
]
