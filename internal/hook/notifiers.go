package hook

import (
	"errors"

	"github.com/hashicorp/go-hclog"
)

// ListNotifiers is List for the directory of the notifiers. One that can't be executed must not silence the others.
func ListNotifiers(dir string, log hclog.Logger) ([]Hook, error) {
	found, err := listHooks(dir, log, false)
	var unsafe *UnsafeError
	if errors.As(err, &unsafe) {
		unsafe.Kind = "notifiers' directory"
	}
	return found, err
}
