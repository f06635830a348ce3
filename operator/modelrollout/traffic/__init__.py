"""An open-loop load client that counts every request: nothing is retried, nothing is left out."""
