"""Asks pods how they are: the pods of one rollout together, at a fixed cadence, within time and size limits."""
