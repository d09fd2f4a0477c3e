"""Access tokens: what lets a program in, and what it may do there."""
