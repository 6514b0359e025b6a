"""The source game: which client of a federated training holds this record?"""

from ml_privacy_meter.source.alignment import alignment
from ml_privacy_meter.source.game import Attack, Guesses, Part, SourceGame, View
from ml_privacy_meter.source.smallest_loss import smallest_loss

__all__ = ["Attack", "Guesses", "Part", "SourceGame", "View", "alignment", "smallest_loss"]
