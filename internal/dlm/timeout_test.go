package dlm

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// speech is what a server says, whatever it was asked: head at once, then drip over and over, until it is hung up on.
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

// piped is a client whose connections are pipes to such a server. It works in a bubble.
func piped(t *testing.T, s speech) *Client {
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go s.to(theirs)
		return ours, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return clientOf(transport)
}

// TestTimeoutBoundsATry: http_timeout is for the whole of a try, however busy the connection is.
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
		"interim answers":       {speech{"", "HTTP/1.1 102 Processing\r\n\r\n", 7 * time.Second}, late + "reading the answer"},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			t.Run(name+" "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := piped(t, tt.speech)
					c.retries = 0
					began := time.Now()
					expect(t, do(t.Context(), c, method), ErrUnavailable, tt.says)
					if took := time.Since(began); took != patience || c.Slowest() != patience {
						t.Errorf("took %v, Slowest %v; want %v", took, c.Slowest(), patience)
					}
				})
			})
		}
	}
}

// TestSwitchedProtocols: an answer that gives the connection away is none of Foreman's, and must not be waited on:
// net/http no longer does.
func TestSwitchedProtocols(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(t, speech{head: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"})
		_, err := c.Show(t.Context(), "web")
		expect(t, err, ErrNotForeman, "101 Switching Protocols")
	})
}

// TestSlowest is over all tries, whatever came of them.
func TestSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{})
		s.SetHolder("web", "")
		c := clientOf(s.Transport("a"))
		for _, tt := range []struct {
			fault sandbox.Fault
			want  time.Duration
		}{
			{sandbox.Fault{Kind: sandbox.Delay}, 0},
			{sandbox.Fault{Kind: sandbox.Delay, Delay: 2 * time.Second}, 2 * time.Second},
			{sandbox.Fault{Kind: sandbox.Delay, Delay: time.Second}, 2 * time.Second},
			{sandbox.Fault{Kind: sandbox.DropAfter, Delay: 3 * time.Second}, 3 * time.Second},
			{sandbox.Fault{Kind: sandbox.HangBefore}, patience},
		} {
			tt.fault.Times = 1
			s.Inject(tt.fault)
			c.Acquire(t.Context(), "web") // what comes of it is another test's
			if got := c.Slowest(); got != tt.want {
				t.Errorf("after %v: %v, want %v", tt.fault.Kind, got, tt.want)
			}
		}
		s.Wait()
	})
}
