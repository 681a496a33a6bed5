"""Models in MLflow, and who is champion by the promotion log."""
