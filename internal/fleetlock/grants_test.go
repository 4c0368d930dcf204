package fleetlock

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// settle is the settle time of these tests.
const settle = 2 * time.Second

// request is one that a scripted server has got.
type request struct {
	call string
	at   time.Duration // since the beginning
}

// script is a server that gives answers to pre-reboot, one after the other, and then grants. It says yes to releases.
type script struct {
	answers []error
	began   time.Time
	got     []request
	gave    time.Time
}

func (s *script) note(call string) { s.got = append(s.got, request{call, time.Since(s.began)}) }

func (s *script) PreReboot(context.Context, string) error {
	s.note("pre-reboot")
	if len(s.answers) == 0 {
		return nil
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer
}

func (s *script) SteadyState(context.Context, string) error {
	s.note("steady-state")
	s.gave = time.Now()
	return nil
}

func (s *script) Gave() time.Time { return s.gave }

func (*script) Probe(context.Context, string) error { return nil }
func (*script) Slowest() time.Duration              { return 0 }
func (*script) Identity() (url, id string)          { return "https://fleetlock.example.com", "web1" }

// asked is when the requests for the lock were sent.
func (s *script) asked() (at []time.Duration) {
	for _, r := range s.got {
		if r.call == "pre-reboot" {
			at = append(at, r.at)
		}
	}
	return at
}

var (
	granted  error // 200
	failed   = &Refusal{http.StatusInternalServerError, "all 1 semaphore slots currently locked", true}
	unsure   = &Refusal{http.StatusInternalServerError, "context deadline exceeded", false}
	held     = &Refusal{http.StatusLocked, "held by web2", true}
	noAnswer = &lock.Error{Meaning: lock.ErrUnavailable, Temporary: true, Why: "no answer", Err: errors.New("timeout")}
)

// with calls f on a lock of a server that answers so, in virtual time.
func with(t *testing.T, answers []error, o lock.Options, f func(*script, *Lock)) {
	synctest.Test(t, func(*testing.T) {
		s := &script{answers: answers, began: time.Now()}
		pace := lock.Pace{RetryInterval: time.Minute, Random: func(d time.Duration) time.Duration { return d / 2 }}
		f(s, Open(s, Settings{Pace: pace, Settle: settle}, hclog.NewNullLogger(), "web", o))
	})
}

// TestGrantsInARow: only two grants in a row, a settle time apart, are the lock.
func TestGrantsInARow(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []error
	}{
		{"granted", nil},
		{"refused at first", []error{failed, granted}},
		{"refused by a store that fails, and granted at once", []error{granted, failed, granted}},
		{"refused", []error{granted, held, granted}},
		{"refused twice", []error{granted, failed, failed, granted}},
		{"by a store that fails", []error{unsure, granted, unsure, granted}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			with(t, slices.Clone(tt.answers), lock.Options{}, func(s *script, l *Lock) {
				if err := l.Take(context.Background(), lock.Terms{Purpose: lock.ByHand}); err != nil {
					t.Fatal(err)
				}
				at, last := s.asked(), len(tt.answers)-1
				for last >= 0 && tt.answers[last] == granted {
					last--
				}
				if first := last + 1; at[len(at)-1]-at[first] < settle {
					t.Errorf("taken with requests at %v, of which those from %d on were granted", at, first)
				}
			})
		})
	}
}

// TestConfirmAgain: a refusal that may only be a store that fails counts until two grants in a row have followed.
func TestConfirmAgain(t *testing.T) {
	const still, lost, unknown = "still ours", "lost", "unknown"
	for _, tt := range []struct {
		name    string
		answers []error
		want    string
		asks    int
	}{
		{"granted", nil, still, 1},
		{"held", []error{held}, lost, 1},
		{"all slots locked", []error{failed}, lost, 1},
		{"unsure, and granted twice", []error{unsure, granted, granted}, still, 3},
		{"unsure twice, and granted twice", []error{unsure, unsure, granted, granted}, still, 4},
		{"unsure, and held", []error{unsure, held}, lost, 2},
		{"unsure, granted, and held", []error{unsure, granted, held}, lost, 3},
		{"unsure, and no answer", []error{unsure, noAnswer}, unknown, 2},
		{"unsure, granted, and no answer", []error{unsure, granted, noAnswer}, unknown, 3},
		{"unsure three times", []error{unsure, unsure, unsure}, unknown, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			with(t, tt.answers, lock.Options{Claimed: true}, func(s *script, l *Lock) {
				err, got := l.Confirm(context.Background()), unknown
				var gone *lock.Lost
				switch {
				case err == nil:
					got = still
				case errors.As(err, &gone):
					got = lost
				}
				if got != tt.want {
					t.Errorf("%s, not %s: %v", got, tt.want, err)
				}
				if at := s.asked(); len(at) != tt.asks {
					t.Errorf("it asks at %v, not %d times", at, tt.asks)
				} else if got == still && tt.asks > 1 && at[tt.asks-1]-at[tt.asks-2] < settle {
					t.Errorf("it asks at %v, and trusts grants that are no settle time apart", at)
				}
			})
		})
	}
}

// TestReleaseOfAnotherLock: what one Lock has given back, the next one does not ask for at once.
func TestReleaseOfAnotherLock(t *testing.T) {
	with(t, nil, lock.Options{}, func(s *script, l *Lock) {
		time.Sleep(time.Hour) // virtual
		if err := Open(s, l.Settings, hclog.NewNullLogger(), "web", lock.Options{}).Give(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := l.Take(context.Background(), lock.Terms{Purpose: lock.ByHandNow}); err != nil {
			t.Fatal(err)
		}
		for i, r := range s.got[1:] {
			if last := s.got[i]; last.call != r.call && r.at-last.at < settle {
				t.Errorf("it asks too soon: %v", s.got)
			}
		}
	})
}

// TestEarlierRelease: an earlier process of this host may have given the lock back a moment ago, and the network may
// deliver that once more.
func TestEarlierRelease(t *testing.T) {
	for _, claimed := range []bool{false, true} {
		with(t, nil, lock.Options{Claimed: claimed}, func(s *script, l *Lock) {
			if err := l.Take(context.Background(), lock.Terms{Purpose: lock.ByHandNow}); err != nil {
				t.Fatal(err)
			}
			if at := s.asked(); at[0] < settle {
				t.Errorf("claimed %v: it asks at %v", claimed, at)
			}
		})
	}
}
