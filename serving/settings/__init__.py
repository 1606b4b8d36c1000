"""How a server is configured: settings, limits, the API token, addresses, private files."""
