"""What one scan learns of a dataset version: counts of fixed size that add up."""
