"""Databases behind Airflow connections."""
