"""What the api-server serves: the reports, behind Airflow's own login."""
