"""Tools for those who make models: a bundle of a fitted estimator, and the gate between a new model and the old one.

They load what they make with the server's own code, so what passes here starts there. The server imports none of them.
"""
