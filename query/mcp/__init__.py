"""The door for agents that speak the Model Context Protocol: the tasks as tools, the skills as resources."""
