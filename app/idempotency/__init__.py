"""Keys under which callers may safely send a write again, and the answers that they get then."""
