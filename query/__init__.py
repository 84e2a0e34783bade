"""What agents and people read: one set of functions behind the HTTP API and the CLI."""
