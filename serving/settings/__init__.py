"""Configuration of a server: settings, limits, the API token, addresses, private files."""
