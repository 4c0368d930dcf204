// Command puppet serves a directory over HTTPS: the package repository of the Puppet module's tests on booted hosts.
// Usage: puppet DIR ADDR:PORT CERT KEY
package main

import (
	"log"
	"net/http"
	"os"
)

func main() {
	dir, address, cert, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	log.Fatal(http.ListenAndServeTLS(address, cert, key, http.FileServer(http.Dir(dir))))
}
