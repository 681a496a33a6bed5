"""How far a dataset moved from another, told from two profiles."""
