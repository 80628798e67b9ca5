"""A training step beside a loop written by hand: what the verb ``bench`` measures."""
