package fleetsandbox

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"foreman-dlm-updater/internal/sandbox"
)

// maxBody limits how many bytes of a request's body are read.
const maxBody = 1 << 20

// request holds the parts of an HTTP request that the server looks at.
type request struct {
	ctx       context.Context
	method    string
	path      string // escaped, as sent
	call      string // PreReboot or SteadyState, "" for another path
	protocol  string // the header fleet-lock-protocol
	id, group string
	malformed error  // why the body could not be read as JSON
	cn        string // of the verified client certificate, "" without one
}

// newRequest takes these parts from r, with the body. It returns an error if the client went away meanwhile.
func newRequest(r *http.Request) (*request, error) {
	in := &request{
		ctx: r.Context(), method: r.Method, path: r.URL.EscapedPath(), protocol: r.Header.Get("fleet-lock-protocol"),
		cn: sandbox.Caller(r),
	}
	if in.method == "" {
		in.method = http.MethodGet
	}
	for _, call := range []string{PreReboot, SteadyState} {
		if strings.HasSuffix(in.path, "/v1/"+call) {
			in.call = call
		}
	}
	if r.Body == nil {
		in.malformed = io.EOF
		return in, nil
	}
	defer r.Body.Close()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	var message struct {
		Params struct {
			ID    string `json:"id"`
			Group string `json:"group"`
		} `json:"client_params"`
	}
	// As the servers do: what follows the first JSON value is not read.
	in.malformed = json.NewDecoder(strings.NewReader(string(body))).Decode(&message)
	in.id, in.group = message.Params.ID, message.Params.Group
	return in, nil
}
