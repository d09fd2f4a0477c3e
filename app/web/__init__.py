"""The way to HTTP: one gate in, one way out, and the only rooms that know Flask, flask-smorest and marshmallow besides the routes."""
