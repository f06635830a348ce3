"""The demo: what is done, what is seen, and how it is drawn."""
