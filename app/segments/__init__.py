"""Segments: their definitions and live reads, and what the worker keeps of them."""
