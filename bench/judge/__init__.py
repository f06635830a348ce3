"""What the judge promises, counted over thousands of simulated rollouts: `make bench-judge`."""
