"""What `telltale setup` writes into the settings of agents, and how it leaves the rest of them alone."""
