"""What Airflow is told of the bundle where it is installed as a package: connection forms and settings."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the bundle as Airflow's ``provider_info.schema.json`` wants it; nothing else is imported for it."""
    return {
        "package-name": "xops",
        "name": "xops",
        "description": "The DataOps and MLOps loop: data tests, training, promotion, drift, retraining.",
        "connection-types": [
            {
                "connection-type": "mlflow",
                "hook-class-name": "xops.hooks.models.registry.MlflowHook",
                "hook-name": "MLflow",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {"host": "Tracking URI", "password": "Password or token"},
                    "placeholders": {"host": "https://mlflow.example.com, databricks, or /an/absolute/folder"},
                },
                "conn-fields": {
                    "registry_uri": {
                        "label": "Registry URI",
                        "description": "Where the model registry is, if it is not with the tracking server.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "databricks_host": {
                        "label": "Databricks workspace",
                        "description": "Its URL, where the tracking URI is databricks.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "insecure_tls": {
                        "label": "Insecure TLS",
                        "description": "Accept a certificate that cannot be verified.",
                        "schema": {"type": "boolean", "default": False},
                    },
                },
            },
            {
                "connection-type": "iceberg",
                "hook-class-name": "xops.hooks.iceberg.tables.IcebergHook",
                "hook-name": "Iceberg (xops)",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {"host": "Catalog URI", "extra": "Catalog properties"},
                    "placeholders": {
                        "host": "https://catalog.example.com, or postgresql+psycopg2://db.example.com/iceberg",
                        "extra": '{"type": "sql", "warehouse": "s3://bucket/warehouse"}',
                    },
                },
            },
        ],
        "config": {
            "xops": {
                "description": "The xops bundle.",
                "options": {
                    "store": {
                        "description": (
                            "Where evidence, reports and the promotion log are kept: a folder, or a bucket such as the "
                            "example, whose part before the @ names an Airflow connection of type aws. Empty for "
                            "xops/store under AIRFLOW_HOME, which serves one machine only."
                        ),
                        "version_added": None,
                        "type": "string",
                        "example": "s3://xops_s3@my-bucket/xops",
                        "default": "",
                    },
                    "evidently_workspace": {
                        "description": (
                            "Where drift reports are kept for Evidently's own UI: a folder, or the URL of its service "
                            "with, before an @, the Airflow connection whose password is its secret. Empty for nowhere."
                        ),
                        "version_added": None,
                        "type": "string",
                        "example": "http://evidently@evidently.internal:8000",
                        "default": "",
                    },
                    "advisories": {
                        "description": (
                            "A folder or a zip of known vulnerabilities of PyPI's packages in the OSV format, which "
                            "models' requirements are held against: osv.dev's all.zip, fetched by whoever may. Empty "
                            "for none."
                        ),
                        "version_added": None,
                        "type": "string",
                        "example": "/var/lib/xops/pypi-all.zip",
                        "default": "",
                    },
                },
            }
        },
    }
