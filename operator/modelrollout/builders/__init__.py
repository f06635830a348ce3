"""Frozen values in, manifests out: one module per kind of object, no client, no clock.

The same rollout and revision always make the same manifest, so that a change of a manifest's hash means a change of
what it was made from. `problems` says beforehand what no builder could build.
"""
