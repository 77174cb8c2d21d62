"""What an error of a Google service means for the task: one readable module a service."""
