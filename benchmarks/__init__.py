"""How fast Telltale is. `make bench` runs everything; each module prints one Markdown table when run by itself."""
