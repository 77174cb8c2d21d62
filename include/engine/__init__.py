"""Turns the bytes of landed files into good rows, quarantined records and counts that add up."""
