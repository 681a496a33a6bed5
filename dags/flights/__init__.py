"""What the example DAGs have in common: names, and the data scientist's own code. Not parsed as DAGs."""
