"""Many interactions in one call: batches and imports, decided as single writes are and written set by set."""
