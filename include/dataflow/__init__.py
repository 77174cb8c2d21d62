"""The engine spread over many workers: an Apache Beam pipeline around it. Beam is imported in `pipeline` alone."""
