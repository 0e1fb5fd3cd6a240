"""`turnout compare`: runs a user's own sample on every model through real deployments, and writes a trace."""
