"""How Airflow talks to a cloud: operators, notifiers, and the wiring from a dataset to a DAG."""
