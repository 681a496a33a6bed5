"""How the property tests of the core run."""

import pytest
from hypothesis import HealthCheck, settings

# the time that one example takes says more of the machine than of the code
settings.register_profile(
    "core", deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Give this folder's tests the profile: a property takes its settings when its module is read."""
    before = settings.get_current_profile_name()
    settings.load_profile("core")
    try:
        return (yield)
    finally:
        settings.load_profile(before)
