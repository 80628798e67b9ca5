"""Metrics of a trained model on data: of its reconstructions, codes, likelihood and samples."""

from lightning_gen.evaluation.assessment import assess

__all__ = ["assess"]
