"""Identities, states and the SQL that commits rows and bookkeeping together."""
