"""The embedded cloud and everything that makes the project start on a laptop; deployed nowhere."""
