"""How the property tests of the core run."""

from hypothesis import settings

# the time that one example takes says more of the machine than of the code
settings.register_profile("core", deadline=None, max_examples=50)
settings.load_profile("core")
