#!/usr/bin/env bash
# Makes the certificates with which MLflow and the object store serve TLS inside the cluster, as files that kubectl turns
# into Secrets, and the ConfigMap fabgan-ca by which pods trust them. It needs openssl, and nothing else. In a folder that it
# made before, it renews the certificates with the same authority. Keep the folder as you keep the passwords:
# authority.key signs certificates that every pod trusts.
#
# usage: deploy/secrets/make_certificates.sh FOLDER [NAMESPACE_OF_THE_RUNS]
set -euo pipefail
folder=$1
runs=${2:-kubeflow-user}
# openssl tells of its progress; what it says is shown only if it fails.
openssl() { local said; said=$(command openssl "$@" 2>&1) || { echo "$said" >&2; exit 1; }; }

umask 077
mkdir -p "$folder"
cd "$folder"
# Files get their names when they are whole, the certificate last, so that the script can be interrupted and run again.
if [ ! -e ca.crt ]; then
    openssl req -x509 -newkey rsa:3072 -sha256 -nodes -days 3650 -subj "/CN=fabgan authority" \
        -addext keyUsage=critical,keyCertSign,cRLSign -keyout authority.key.new -out ca.crt.new
    mv authority.key.new authority.key
    mv ca.crt.new ca.crt
fi

for service in mlflow object-store; do
    mkdir -p "$service"
    # localhost is for kubectl port-forward.
    cat > "$service/names" <<END
subjectAltName = DNS:$service.fabgan, DNS:$service.fabgan.svc, DNS:$service.fabgan.svc.cluster.local, DNS:localhost
extendedKeyUsage = serverAuth
END
    openssl req -newkey rsa:3072 -sha256 -nodes -subj "/CN=$service.fabgan" -keyout "$service/tls.key.new" \
        -out "$service/request"
    openssl x509 -req -sha256 -days 820 -in "$service/request" -CA ca.crt -CAkey authority.key -CAcreateserial \
        -extfile "$service/names" -out "$service/tls.crt.new"
    mv "$service/tls.key.new" "$service/tls.key"
    mv "$service/tls.crt.new" "$service/tls.crt"
    rm "$service/names" "$service/request"
done

cat > kustomization.yaml <<END
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  disableNameSuffixHash: true
secretGenerator:
  - {name: fabgan-mlflow-tls, namespace: fabgan, type: kubernetes.io/tls, files: [mlflow/tls.crt, mlflow/tls.key]}
  - name: fabgan-object-store-tls
    namespace: fabgan
    type: kubernetes.io/tls
    files: [object-store/tls.crt, object-store/tls.key]
configMapGenerator:
  - {name: fabgan-ca, namespace: fabgan, files: [ca.crt]}
  - {name: fabgan-ca, namespace: $runs, files: [ca.crt]}
END
echo "made $folder; the certificates are valid until $(command openssl x509 -in mlflow/tls.crt -noout -enddate | cut -d= -f2)"
