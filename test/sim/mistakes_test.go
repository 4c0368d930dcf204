package sim

import "foreman-dlm-updater/internal/workflow"

// mistake is one that a program like this could make.
type mistake struct {
	name string
	make func(*invocation, *workflow.Workflow)
}
