"""xops: the DataOps and MLOps loop for Apache Airflow 3."""

__version__ = "0.1.0"
