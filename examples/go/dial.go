package main

// A connection to a service: in the clear, or by TLS with a certificate that says who calls.

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func dial(address string) *grpc.ClientConn {
	how := insecure.NewCredentials()
	if file, set := os.LookupEnv("GRPC_TLS_CA_FILE"); set {
		ca, err := os.ReadFile(file)
		check(err)
		mine, err := tls.LoadX509KeyPair(os.Getenv("GRPC_TLS_CERT_FILE"), os.Getenv("GRPC_TLS_KEY_FILE"))
		check(err)
		believed := x509.NewCertPool()
		believed.AppendCertsFromPEM(ca)
		how = credentials.NewTLS(&tls.Config{RootCAs: believed, Certificates: []tls.Certificate{mine}})
	}
	connection, err := grpc.NewClient(os.Getenv(address), grpc.WithTransportCredentials(how))
	check(err)
	return connection
}
