"""What cannot be done any faster in this stack: what the service is measured against."""
