"""Pages for people: reports and their figures."""
