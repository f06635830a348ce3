"""Property tests on a machine that others use too: the same examples in every run, and no clock in the outcome.

The simulations of the benchmark are found from the checkout's root.
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
