"""Custom attributes: what an installation says of those that it keeps on customers, so that values are checked and rules may ask."""
