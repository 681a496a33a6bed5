# syntax=docker/dockerfile:1
# Airflow with what requirements.lock pins, checked against its hashes. Airflow's own constraints are not used: they pin
# versions that Great Expectations, Evidently and MLflow cannot share, and the lock already is one resolution of all.
ARG AIRFLOW_VERSION=3.3.2
ARG PYTHON_VERSION=3.11
ARG UV_VERSION=0.13.9

FROM ghcr.io/astral-sh/uv:${UV_VERSION} AS uv

# The slim image: the full one brings providers by the dozen, for other versions than the lock's.
FROM apache/airflow:slim-${AIRFLOW_VERSION}-python${PYTHON_VERSION} AS base

FROM base AS build
USER root
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_CACHE_DIR=/cache UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY requirements.txt requirements.lock /build/
COPY include/compose/requirements.txt include/compose/requirements.lock /build/compose/
# The locks are constraints, so that the tests' tools, which the first one pins as well, stay out; uv checks the hashes
# of constraints too. An environment of its own, so that nothing of the image's, at other versions, mixes in.
RUN --mount=type=cache,target=/cache \
    uv venv --python "$(command -v python3)" /opt/xops \
    && uv pip install --python /opt/xops \
        --constraint /build/requirements.lock --constraint /build/compose/requirements.lock \
        --requirement /build/requirements.txt --requirement /build/compose/requirements.txt \
    && uv pip check --python /opt/xops
# Copied, not mounted: Airflow reads plugins at its start only, and a read-only mount could not be compiled.
COPY plugins /opt/airflow/plugins
RUN /opt/xops/bin/python -m compileall -q /opt/airflow/plugins

FROM base
COPY --from=build /opt/xops /opt/xops
COPY --from=build /opt/airflow/plugins /opt/airflow/plugins
# Airflow appends plugins/ to the path itself, but too late for providers that are looked up at its start, and not in
# other programs.
ENV VIRTUAL_ENV=/opt/xops \
    PATH=/opt/xops/bin:$PATH \
    PYTHONPATH=/opt/airflow/plugins \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true
