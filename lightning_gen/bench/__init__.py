"""A training step beside a reference loop in plain PyTorch: what the command ``bench`` measures."""
