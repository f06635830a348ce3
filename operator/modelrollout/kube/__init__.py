"""Everything between this operator and the API server: one door, and one reflector for each kind of child."""
