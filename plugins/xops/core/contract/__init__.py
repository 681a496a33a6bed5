"""What a dataset promises, what its columns are, and what changed in them."""
