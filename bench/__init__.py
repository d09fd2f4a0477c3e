"""What is measured, and against which floor. `make bench` prints one table; nothing here is a test."""
