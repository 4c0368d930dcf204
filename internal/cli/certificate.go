package cli

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/file"
)

// leaf is the host's certificate. Its key is not needed, so whoever may read the certificate may see when it ends.
func leaf(c *config.Config) (*x509.Certificate, error) {
	rest, err := file.Read(c.ClientCert, dlm.MaxPEM)
	if err != nil {
		return nil, fmt.Errorf("read client_crt: %w", err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("read client_crt %s: there is no PEM certificate in it", c.ClientCert)
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read client_crt %s: %w", c.ClientCert, err)
		}
		return cert, nil
	}
}
