"""Whether this process was asked to stop: whoever runs for longer than others wait looks here now and then."""

from __future__ import annotations


class Stopping:
    """A bare attribute, since it is set where a lock could not be waited for: in the server's own loop."""

    requested = False


process = Stopping()
