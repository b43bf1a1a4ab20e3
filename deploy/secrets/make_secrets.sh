#!/usr/bin/env bash
# Makes the passwords of an installation once, as files that kubectl turns into Secrets. Keep the folder in the fab's
# password store, never in git.
#
# usage: deploy/secrets/make_secrets.sh FOLDER [NAMESPACE_OF_THE_RUNS]
#
# For a fab's own services, set DATABASE_URI=postgresql+psycopg2://USER:PASSWORD@HOST:5432/DATABASE, AWS_ACCESS_KEY_ID and
# AWS_SECRET_ACCESS_KEY. Values that are not set are generated.
set -euo pipefail
folder=$1
runs=${2:-kubeflow-user}
if [ -e "$folder" ]; then
    echo "$folder: exists already, and passwords are made once; remove it only if no service uses them" >&2
    exit 1
fi

secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

umask 077
mkdir -p "$folder"
cd "$folder"
postgres_password=$(secret)
database=${DATABASE_URI:-postgresql+psycopg2://mlflow:$postgres_password@postgresql.fabgan:5432/mlflow}

cat > postgresql.env <<END
POSTGRES_USER=mlflow
POSTGRES_PASSWORD=$postgres_password
POSTGRES_DB=mlflow
END
cat > s3.env <<END
AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-fabgan}
AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-$(secret)}
END
cat > mlflow-server.env <<END
MLFLOW_BACKEND_STORE_URI=$database
MLFLOW_FLASK_SERVER_SECRET_KEY=$(secret)
END
# This file format needs every percent sign doubled.
cat > basic_auth.ini <<END
[mlflow]
default_permission = READ
database_uri = ${database//%/%%}
admin_username = admin
admin_password = $(secret)
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
END
cat > mlflow.env <<END
MLFLOW_TRACKING_USERNAME=fabgan
MLFLOW_TRACKING_PASSWORD=$(secret)
END
cat > kustomization.yaml <<END
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  disableNameSuffixHash: true
secretGenerator:
  - {name: fabgan-postgresql, namespace: fabgan, envs: [postgresql.env]}
  - {name: fabgan-s3, namespace: fabgan, envs: [s3.env]}
  - {name: fabgan-mlflow-server, namespace: fabgan, envs: [mlflow-server.env], files: [basic_auth.ini]}
  - {name: fabgan-s3, namespace: $runs, envs: [s3.env]}
  - {name: fabgan-mlflow, namespace: $runs, envs: [mlflow.env]}
END
echo "made $folder; to make the Secrets in the namespaces fabgan and $runs: kubectl apply --kustomize $folder"
