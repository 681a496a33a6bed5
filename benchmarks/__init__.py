"""What `make bench` measures: ratios, each with both sides in the same run."""
