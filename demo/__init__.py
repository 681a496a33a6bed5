"""A real Airflow and a real MLflow on this machine, playing a year of flights through the example DAGs."""
