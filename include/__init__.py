"""What is true without Airflow and without a cloud SDK."""
