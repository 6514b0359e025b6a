"""The property game: do the records that a client trained on in a round have a property?"""

from ml_privacy_meter.property.game import Attack, PropertyGame, Trial, View
from ml_privacy_meter.property.learned import learned

__all__ = ["Attack", "PropertyGame", "Trial", "View", "learned"]
