"""Model registries: which version an alias names now. `http` asks, `following` remembers and asks again."""
