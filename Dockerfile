# syntax=docker/dockerfile:1
# Local only: Airflow and the emulators for docker-compose.yaml, from the same locks and by the same code
# as `make setup`. What is deployed to a cloud is not built from this file.

FROM python:3.11-slim-bookworm AS python311
ENV PYTHONUNBUFFERED=1 UV_LINK_MODE=copy
WORKDIR /opt/landfall
# Only what makes environments: an edit elsewhere must not build them anew.
COPY local/__init__.py local/environments.py local/interpreters.py local/paths.py local/progress.py local/
COPY requirements/ requirements/

FROM python:3.13-slim-bookworm AS python313
ENV PYTHONUNBUFFERED=1 UV_LINK_MODE=copy
WORKDIR /opt/landfall
COPY local/__init__.py local/environments.py local/interpreters.py local/paths.py local/progress.py local/
COPY requirements/ requirements/

FROM python311 AS airflow-environment
RUN --mount=type=cache,target=/root/.cache/uv python -m local.environments airflow

FROM python311 AS function-environment
RUN --mount=type=cache,target=/root/.cache/uv python -m local.environments function

FROM python313 AS emulators-environment
RUN --mount=type=cache,target=/root/.cache/uv python -m local.environments emulators

# ---- what runs; nobody is root, and state folders belong to the user so that volumes on them do

FROM python:3.11-slim-bookworm AS airflow
WORKDIR /opt/landfall
RUN useradd --uid 1000 --create-home landfall \
    && mkdir -p build/airflow/logs build/gcloud build/cloud && chown -R landfall build
COPY --from=airflow-environment /opt/landfall/build/env/airflow build/env/airflow
COPY local/ local/
COPY include/ include/
COPY plugins/ plugins/
COPY dags/ dags/
COPY cli/ cli/
ENV PATH=/opt/landfall/local/bin:/opt/landfall/build/env/airflow/bin:$PATH PYTHONUNBUFFERED=1
USER landfall

FROM python:3.11-slim-bookworm AS function
WORKDIR /opt/landfall
RUN useradd --uid 1000 --create-home landfall && mkdir -p build/cloud && chown -R landfall build
COPY --from=function-environment /opt/landfall/build/env/function build/env/function
COPY local/ local/
COPY include/ include/
ENV PYTHONUNBUFFERED=1
USER landfall

FROM python:3.13-slim-bookworm AS emulators
WORKDIR /opt/landfall
RUN useradd --uid 1000 --create-home landfall && mkdir -p build/cloud && chown -R landfall build
COPY --from=emulators-environment /opt/landfall/build/env/emulators build/env/emulators
COPY local/ local/
ENV PYTHONUNBUFFERED=1
USER landfall
