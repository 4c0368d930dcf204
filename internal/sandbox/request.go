package sandbox

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRequestLine is Apache's LimitRequestLine in bytes, its default.
const maxRequestLine = 8190

// maxBody limits how many bytes of a request's body are read.
const maxBody = 1 << 20

// request holds the parts of an HTTP request that the server looks at.
type request struct {
	ctx         context.Context
	method      string
	path        string // escaped, as sent
	query       url.Values
	line        int // length of the request line in bytes
	accept      string
	contentType string
	ifNoneMatch string
	body        []byte
	cn          string // of the verified client certificate, "" without one
	user, pass  string // of Basic authentication
	basic       bool
}

// newRequest takes these parts from r, the body included. It ignores headers about the client's certificate, because
// Apache overwrites them (SSL_CLIENT_*): only cn names the caller.
func newRequest(r *http.Request, cn string) (*request, error) {
	in := &request{
		ctx:         r.Context(),
		method:      r.Method,
		path:        r.URL.EscapedPath(),
		query:       r.URL.Query(),
		line:        len(r.Method) + len(" ") + len(r.URL.RequestURI()) + len(" HTTP/1.1"),
		accept:      r.Header.Get("Accept"),
		contentType: r.Header.Get("Content-Type"),
		ifNoneMatch: r.Header.Get("If-None-Match"),
		cn:          cn,
	}
	if in.method == "" {
		in.method = http.MethodGet
	}
	in.user, in.pass, in.basic = r.BasicAuth()
	if r.Body == nil {
		return in, nil
	}
	defer r.Body.Close()
	var err error
	in.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody))
	return in, err
}

// frontend refuses the requests that Apache refuses before Foreman sees them, and the paths that Rack refuses because
// they are not UTF-8.
func frontend(in *request) *answer {
	up := strings.ToUpper(in.path)
	switch {
	case in.line > maxRequestLine:
		return apachePage(http.StatusRequestURITooLong)
	case strings.Contains(up, "%2F"), strings.Contains(up, "%00"):
		return apachePage(http.StatusNotFound)
	}
	path, err := url.PathUnescape(in.path)
	if err != nil {
		return apachePage(http.StatusBadRequest)
	}
	if !utf8.ValidString(path) {
		return &answer{status: http.StatusBadRequest, contentType: htmlUTF8, closing: true}
	}
	return nil
}

// segments returns the unescaped parts of the path as Apache passes it on: empty parts and "." are dropped, and ".." is
// resolved, escaped or not.
func (in *request) segments() []string {
	var out []string
	for seg := range strings.SplitSeq(in.path, "/") {
		name, err := url.PathUnescape(seg)
		if err != nil {
			name = seg
		}
		switch {
		case name == "" || name == ".":
		case name == ".." && len(out) > 0:
			out = out[:len(out)-1]
		case name == "..":
		default:
			out = append(out, name)
		}
	}
	return out
}

// inScope reports whether the parameters of the request leave r in the lookup. Parameters are in the query or at the
// top of the JSON body. Each one whose name ends in _id names a resource that the lock must belong to. host_id is its
// holder; a lock belongs to nothing else.
func (in *request) inScope(r *row) bool {
	for key, values := range in.query {
		if !r.belongsTo(key, strings.Join(values, ",")) {
			return false
		}
	}
	var top map[string]json.RawMessage
	_ = json.Unmarshal(in.body, &top) // another body narrows nothing
	for key, value := range top {
		if !r.belongsTo(key, strings.Trim(string(value), `"`)) {
			return false
		}
	}
	return true
}

// belongsTo reports whether one parameter leaves r in the lookup.
func (r *row) belongsTo(key, id string) bool {
	if !strings.HasSuffix(key, "_id") {
		return true
	}
	return key == "host_id" && r.holder != nil && id == strconv.Itoa(r.holder.id)
}

// checkBody refuses the media types that Foreman's API refuses, and a body that is not valid JSON though it claims to
// be. An empty body is fine.
func checkBody(in *request) *answer {
	media, _, _ := strings.Cut(in.contentType, ";")
	isJSON := strings.EqualFold(strings.TrimSpace(media), "application/json")
	if (in.method == http.MethodPut || in.method == http.MethodPost) && !isJSON {
		return failure(http.StatusUnsupportedMediaType, "Media type in 'Content-Type: "+in.contentType+
			"' is unsupported in API v2 for POST and PUT requests. Please use 'Content-Type: application/json'.")
	}
	if isJSON && len(in.body) > 0 && !json.Valid(in.body) {
		return &answer{
			status: http.StatusBadRequest, contentType: jsonUTF8, closing: true,
			body: plainError(http.StatusBadRequest,
				"There was a problem in the JSON you submitted: 859: unexpected token at '"+string(in.body)+"'"),
		}
	}
	return nil
}

// caller is the authenticated caller: a host by its certificate, or a user.
type caller struct {
	host   *host
	viewer bool // the user without permissions; else the user is admin
}

// authenticate returns the caller, or the refusal. Hosts may only use the lock itself and look at it. The message never
// says what was wrong.
func (s *Server) authenticate(in *request, to target) (caller, *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.forHosts(in.method) {
		if h := s.knownHost(in.cn); h != nil {
			return caller{host: h}, nil
		}
	}
	want := s.opts.AdminPassword
	known := in.user == "admin" || in.user == "viewer"
	if !in.basic || want == "" || !known || subtle.ConstantTimeCompare([]byte(in.pass), []byte(want)) != 1 {
		return caller{}, failure(http.StatusUnauthorized, "Unable to authenticate user ")
	}
	return caller{viewer: in.user == "viewer"}, nil
}
