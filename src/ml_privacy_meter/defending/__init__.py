"""Defenses tried side by side: what each costs in accuracy, and what it keeps from an adversary who knows of it."""

from ml_privacy_meter.defending.defend import Defended, Planned, check_folder, defend, plan

__all__ = ["Defended", "Planned", "check_folder", "defend", "plan"]
