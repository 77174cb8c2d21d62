"""What sample files are made of: records of each dataset, and the ways in which partners get them wrong."""
