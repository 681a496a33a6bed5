"""The only code that talks to a service: object store, Iceberg, MLflow."""
