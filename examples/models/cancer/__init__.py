"""Models of scikit-learn's breast_cancer data, good ones and ones that go wrong in a known way.

`faults` says which rows break which model and needs nothing but Python; `train` writes the files.
"""
