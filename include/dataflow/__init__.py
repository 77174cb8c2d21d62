"""The engine spread over many workers: an Apache Beam pipeline around it."""

import include.engine  # noqa: F401 - sets how Arrow and numpy take memory, before Beam imports them
