"""What is unusual about a batch, by the batches before it."""
