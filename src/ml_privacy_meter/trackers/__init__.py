"""A report where people already look: TensorBoard and MLflow. No id and no record goes there."""

from ml_privacy_meter.trackers.mlflow import check_mlflow, to_mlflow
from ml_privacy_meter.trackers.tensorboard import add_to_tensorboard, check_tensorboard, to_tensorboard

__all__ = ["add_to_tensorboard", "check_mlflow", "check_tensorboard", "to_mlflow", "to_tensorboard"]
