"""Customers: people and organisations, and the ids by which other systems know them."""
