"""Rolls machine-learning models out safely on Kubernetes.

The way data flows: a watch event or a timer -> `observe` (I/O) -> `core.decide` (pure) -> `apply` (I/O) -> status
and Events. docs/architecture.md has the picture; docs/decisions/ says why.
"""
