"""The serving image: one model behind HTTP, with the counters that the rollout's judge needs.

Flow: settings -> sources (fetch) -> formats (load) -> warmup -> serving (port 8080) beside health (port 8081).
The health port lives in the main thread and the predict path in another, so that a stuck model can still be seen.
"""

__version__ = "0.1.0"
