"""Batches, imports and exports as every feature offers them; what is in them is the feature's own."""
