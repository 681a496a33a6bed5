"""What we know: pure functions and frozen values. No Airflow, no service, no I/O."""
