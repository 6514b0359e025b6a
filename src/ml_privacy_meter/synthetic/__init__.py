"""Games of what synthetic records tell of the real ones that their generator was trained on."""

from ml_privacy_meter.synthetic.closest import calibrated_distance, distance_to_closest
from ml_privacy_meter.synthetic.densities import density, domias, gmm, kde
from ml_privacy_meter.synthetic.game import GuessGame, LinkGame, MemberGame, SinglingGame, Tries
from ml_privacy_meter.synthetic.parts import link_by_nearest, nearest_value
from ml_privacy_meter.synthetic.predicates import Condition, Predicate, single_out
from ml_privacy_meter.synthetic.table import Table, embedding
from ml_privacy_meter.synthetic.view import Attack, GuessView, LinkView, SinglingView, View

__all__ = [
    "Attack",
    "Condition",
    "GuessGame",
    "GuessView",
    "LinkGame",
    "LinkView",
    "MemberGame",
    "Predicate",
    "SinglingGame",
    "SinglingView",
    "Table",
    "Tries",
    "View",
    "calibrated_distance",
    "density",
    "distance_to_closest",
    "domias",
    "embedding",
    "gmm",
    "kde",
    "link_by_nearest",
    "nearest_value",
    "single_out",
]
