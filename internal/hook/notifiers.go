package hook

import (
	"errors"

	"foreman-dlm-updater/internal/vet"

	"github.com/hashicorp/go-hclog"
)

// ListNotifiers is List for the notifiers' directory. A notifier that can't be executed must not silence the others.
func ListNotifiers(s *vet.Session, dir string, log hclog.Logger) ([]Hook, error) {
	found, err := listHooks(s, dir, log, false)
	var unsafe *vet.UnsafeError
	if errors.As(err, &unsafe) {
		unsafe.Kind = "notifiers' directory"
	}
	return found, err
}
