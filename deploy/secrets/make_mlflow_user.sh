#!/usr/bin/env bash
# Creates the MLflow user with which pipelines log in, with the password that make_secrets.sh wrote.
# usage: deploy/secrets/make_mlflow_user.sh FOLDER [URL_OF_MLFLOW]
set -euo pipefail
folder=$1
url=${2:-http://localhost:5000}
value() { sed -n "s/^$1 *= *//p" "$folder/$2"; }

# curl reads the credentials from a pipe, so that lists of processes do not show them.
curl --fail --silent --show-error --header "Content-Type: application/json" \
    --config <(printf 'user = "admin:%s"\n' "$(value admin_password basic_auth.ini)") \
    --data @<(printf '{"username": "%s", "password": "%s"}' \
        "$(value MLFLOW_TRACKING_USERNAME mlflow.env)" "$(value MLFLOW_TRACKING_PASSWORD mlflow.env)") \
    "$url/api/2.0/mlflow/users/create"
echo
