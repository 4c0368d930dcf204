// Command puppet serves a directory over HTTPS: the package repository of the Puppet module's tests on booted hosts.
// Usage: puppet DIR ADDR:PORT CERT KEY
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	dir, address, cert, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	server := &http.Server{Addr: address, Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	log.Fatal(server.ListenAndServeTLS(cert, key))
}
