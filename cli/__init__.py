"""The landfall command."""
