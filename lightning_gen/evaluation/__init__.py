"""Figures of a trained model on data: of its reconstructions, its codes, its likelihood and its samples."""

from lightning_gen.evaluation.assessment import assess

__all__ = ["assess"]
