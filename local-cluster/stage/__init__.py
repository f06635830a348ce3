"""What a demo, a test or a benchmark puts onto a cluster and asks of it: the operator, the models, a rollout."""
