"""The Cloud Function."""
