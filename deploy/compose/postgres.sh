#!/bin/bash
# Create a database and a user each for Airflow, the articles and MLflow. It runs automatically on a new volume; run it
# again to change the users' passwords: docker compose exec postgres bash /docker-entrypoint-initdb.d/quartet.sh
set -euo pipefail
for name in airflow articles mlflow; do
    password="${name^^}_DB_PASSWORD"
    psql --quiet --set ON_ERROR_STOP=1 --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres \
        --set name="$name" --set password="${!password}" <<'SQL'
SELECT format('CREATE USER %I', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER USER :"name" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
