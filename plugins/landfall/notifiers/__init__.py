"""Who is told about a failure, and how."""
