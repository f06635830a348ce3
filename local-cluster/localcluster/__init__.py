"""A Kubernetes cluster for development and tests, and the images that run on it.

Standard library only: this package runs with the machine's own python3, before any virtual environment exists.
"""
