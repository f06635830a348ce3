"""Measurements on a real cluster that are printed and judged by a person; nothing in the tests asserts their times."""
