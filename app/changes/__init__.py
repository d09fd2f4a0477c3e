"""The event log: one row for every effective write, in the transaction of the write."""
