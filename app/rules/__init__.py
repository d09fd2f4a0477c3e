"""The rule language, a subset of OGC CQL2: text and JSON to one tree, checked by a catalogue of names, compiled to one SQL expression.

It knows no feature: each brings the names and functions that its rules may use (`app.rules.catalogue`).
"""
