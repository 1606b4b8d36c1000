"""Checks before a run: what a product's spec and tables would be refused for, and a preview of its rows.

Imports only what ingest is made of; nothing is written.
"""
