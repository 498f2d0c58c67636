#!/bin/bash
# Runs once, when the volume is new: a database and a user each for Airflow, the articles and MLflow.
set -euo pipefail
for name in airflow articles mlflow; do
    password="${name^^}_DB_PASSWORD"
    psql --set ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres \
        --set name="$name" --set password="${!password}" <<'SQL'
CREATE USER :"name" PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
