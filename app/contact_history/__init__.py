"""Contact history: everything that was said to customers and sold to them, and what it adds up to."""
