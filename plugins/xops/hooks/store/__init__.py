"""What is kept: evidence, profiles, and the objects they are."""
