"""The ModelRollout resource: pydantic models of spec and status, from which crds/ is generated."""
