#!/usr/bin/env bash
# Makes the MLflow user with which pipelines log in, with the password that make_secrets.sh wrote. With NAME it makes the
# user of a person instead, and reads the password from standard input. A user that is there gets the password.
# usage: deploy/secrets/make_mlflow_user.sh FOLDER [URL_OF_MLFLOW [NAME]]
set -euo pipefail
folder=$1
url=${2:-http://localhost:5000}
name=${3:-}
value() { sed -n "s/^$1 *= *//p" "$folder/$2"; }
fail() { echo "make_mlflow_user: error: $1" >&2; exit 1; }
text() { local text=${1//\\/\\\\}; printf '"%s"' "${text//\"/\\\"}"; }

if [ -n "$name" ]; then
    IFS= read -r password || [ -n "$password" ] || fail "standard input: expected the password of $name"
else
    name=$(value MLFLOW_TRACKING_USERNAME mlflow.env)
    password=$(value MLFLOW_TRACKING_PASSWORD mlflow.env)
fi
admin=$(value admin_password basic_auth.ini)

# curl reads the credentials from a pipe, so that lists of processes do not show them.
ask() {
    curl --silent --show-error --config <(printf 'user = %s\n' "$(text "admin:$admin")") "$@"
}
send() {
    ask --fail-with-body --request "$1" --header "Content-Type: application/json" --data @<(printf \
        '{"username": %s, "password": %s, "current_password": %s}' "$(text "$name")" "$(text "$password")" "$(text "$admin")") \
        "$url/api/2.0/mlflow/users/$2"
}

found=$(ask --output /dev/null --write-out '%{http_code}' --get --data-urlencode "username=$name" \
    "$url/api/2.0/mlflow/users/get")
case $found in
    200) send PATCH update-password > /dev/null; echo "$name: the password was changed" ;;
    404) send POST create; echo ;;
    401) fail "MLflow at $url refuses the administrator's password of $folder/basic_auth.ini" ;;
    *) fail "MLflow at $url answers with status $found" ;;
esac
