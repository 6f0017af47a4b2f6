# shellcheck shell=bash
# Certificates for development and for tests of TLS: a CA of our own, a server's and a client's certificate, and a CA that
# nobody knows. They are good for two days and for this machine only.

# make_certificates <folder>: ca.pem, other-ca.pem, server.pem and .key, client.pem and .key, and
# server-chain.pem (key and certificate in one file, as Kafka wants them). Those of the last hours are kept.
make_certificates() {
    local folder=$1 log=$RUN_DIR/log/certificates.log
    [[ -z $(find "$folder/complete" -mmin -720 2>/dev/null) ]] || return 0
    rm -rf "$folder"
    mkdir -p "$folder" "$RUN_DIR/log"
    (
        umask 077
        set -e
        self_signed "$folder/ca" 'FlowStack test CA'
        self_signed "$folder/other-ca" 'A CA that nobody knows'
        signed "$folder" server 'subjectAltName=DNS:localhost,IP:127.0.0.1'
        signed "$folder" client 'extendedKeyUsage=clientAuth'
        cat "$folder/server.key" "$folder/server.pem" >"$folder/server-chain.pem"
        touch "$folder/complete"
    ) >"$log" 2>&1 || fail certificates "openssl could not make them" "$log"
}

# make_service_certificates <folder>: ca.pem, and a certificate and key for each of the services and for
# operator: spiffe://flowstack.test/sa/<name>. Those of the last hours are kept.
make_service_certificates() {
    local folder=$1 log=$RUN_DIR/log/certificates.log name
    [[ -z $(find "$folder/complete" -mmin -720 2>/dev/null) ]] || return 0
    rm -rf "$folder"
    mkdir -p "$folder" "$RUN_DIR/log"
    (
        umask 077
        set -e
        self_signed "$folder/ca" 'FlowStack development CA'
        for name in "${FLOWSTACK_SERVICES[@]}" operator; do
            signed "$folder" "$name" \
                "subjectAltName=URI:spiffe://flowstack.test/sa/$name,DNS:localhost,IP:127.0.0.1"
        done
        touch "$folder/complete"
    ) >"$log" 2>&1 || fail certificates "openssl could not make them" "$log"
}

# self_signed <path without ending> <name>
self_signed() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
        -subj "/CN=$2" -addext 'basicConstraints=critical,CA:TRUE' -keyout "$1.key" -out "$1.pem"
}

# signed <folder> <name> <extension>
signed() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=flowstack $2" \
        -keyout "$1/$2.key" -out "$1/$2.csr"
    openssl x509 -req -in "$1/$2.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 2 \
        -extfile <(printf '%s\n' "$3") -out "$1/$2.pem"
}
