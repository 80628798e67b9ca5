"""Measurements of a training step and of a reference loop in plain PyTorch, for the command ``bench``."""
