package mtls

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

const patience = 30 * time.Second // the time limit of the clients in a bubble

// speech is a server's answer to any request: head at once, then drip again and again until the client closes the
// connection.
type speech struct {
	head, drip string
	every      time.Duration
}

func (s speech) to(conn net.Conn) {
	defer conn.Close()
	gone := make(chan struct{})
	heard := make(chan struct{}, 1)
	go func() {
		defer close(gone)
		for buffer := make([]byte, 4096); ; {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	<-heard
	io.WriteString(conn, s.head)
	for s.every > 0 {
		select {
		case <-gone:
			return
		case <-time.After(s.every):
			io.WriteString(conn, s.drip)
		}
	}
	<-gone
}

// piped is a client whose connections are pipes to such a server. It needs a synctest bubble.
func piped(t *testing.T, s speech) *Client {
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go s.to(theirs)
		return ours, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return New(Options{Words: foreman, Timeout: patience, Transport: transport})
}

// TestTimeoutBoundsATry: http_timeout limits the whole try, however busy the connection is.
func TestTimeoutBoundsATry(t *testing.T) {
	const (
		start = "HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n"
		late  = "no answer within http_timeout (30s): it ran out while "
	)
	//bad:Server answers: key says
	for name, tt := range map[string]struct {
		speech speech
		says   string
	}{
		"silence":               {speech{}, late + "waiting for the answer"},
		"a header that drips":   {speech{"HTTP/1.1 200 OK\r\nX: ", "x", time.Second}, late + "reading the answer"},
		"a body that drips":     {speech{start, "x", time.Second}, late + "reading the answer"},
		"a body without end":    {speech{"HTTP/1.1 200 OK\r\n\r\n", "x", time.Second}, late + "reading the answer"},
		"a body that stays out": {speech{head: start}, late + "reading the answer"},
		"interim answers": {speech{"", "HTTP/1.1 102 Processing\r\n\r\n", 7 * time.Second},
			late + "reading the answer"},
	} {
		for _, method := range methods {
			t.Run(name+" "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					expect(t, do(t, piped(t, tt.speech), method, "https://foreman.example.com"), ErrNoAnswer, tt.says)
					if took := time.Since(began); took != patience {
						t.Errorf("took %v, want %v", took, patience)
					}
				})
			})
		}
	}
}

// TestSwitchedProtocols: nothing is read after an answer that switches protocols. net/http would no longer end such a
// read.
func TestSwitchedProtocols(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, speech{head: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"})
		began := time.Now()
		a, err := try(t.Context(), t, c, "GET", "https://foreman.example.com")
		if took := time.Since(began); err != nil || a.Status != 101 || len(a.Body) != 0 || took != 0 {
			t.Errorf("%+v, %v after %v", a, err, took)
		}
	})
}

// TestGivenUp: a try ends at once when its caller gives up, and the error says how far it had come.
func TestGivenUp(t *testing.T) {
	const at = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, speech{head: "HTTP/1.1 200 OK\r\nX: "})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(at, func() { cancel(errors.New("enough")) })
		began := time.Now()
		_, err := try(ctx, t, c, "GET", "https://foreman.example.com")
		expect(t, err, ErrNoAnswer, "given up while reading the answer: enough")
		if took := time.Since(began); took != at || !errors.Is(err, context.Canceled) {
			t.Errorf("%v after %v", err, took)
		}
	})
}
