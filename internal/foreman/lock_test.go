package foreman

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"

	"github.com/google/go-cmp/cmp"
)

// TestConfirm: one look, and what it proves. Whoever listens hears each answer.
func TestConfirm(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*server)
		kind  string
		said  string
	}{
		{"ours", func(*server) {}, "ok", ""},
		{"free", func(s *server) { s.hold("") }, "lost", "it is free"},
		{"another's", func(s *server) { s.hold("other") }, "lost", "held by other"},
		{"deleted", func(s *server) { s.exists = false }, "lost", "deleted in Foreman"},
		{"unreachable: not known", func(s *server) { s.before("look", unreachable) }, "unavailable", "connection refused"},
		{"refused: not known", func(s *server) { s.before("look", definite) }, "failed", "401"},
		{"a maintenance page: not known", func(s *server) { s.before("look", odd) }, "misconfigured", "302"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				s.hold("me")
				test.setup(s)
				heard := 0
				err := s.open(lock.Options{Heard: func(view lock.View, err error) {
					heard++
					if (err == nil) != (test.kind == "ok" || test.kind == "lost") || view.Self && test.kind != "ok" {
						t.Errorf("heard %+v, %v", view, err)
					}
				}}).Confirm(t.Context())
				if kind(err) != test.kind || !strings.Contains(s.text(err), test.said) || heard != 1 || s.requests() != "G" {
					t.Errorf("%s (%v), requests %s, heard %d times; want %s, said %q",
						kind(err), err, s.requests(), heard, test.kind, test.said)
				}
			})
		})
	}
}

// TestMoved: the lock was asked for at another address, or under another name. Nothing is concluded from what is shown
// elsewhere, unless it shows this host.
func TestMoved(t *testing.T) {
	then, now := lock.Origin{Server: "https://old", Client: "web1", Holder: "web1"},
		lock.Origin{Server: "https://new", Client: "web1"}
	renamed := lock.Origin{Server: "https://old", Client: "web1.new"}
	ways := map[string]func(*server, *Lock) error{
		"take":    func(s *server, l *Lock) error { return l.Take(s.t.Context(), lock.Terms{Purpose: lock.OutOfService}) },
		"begin":   func(s *server, l *Lock) error { return l.Take(s.t.Context(), lock.Terms{Purpose: lock.ForRun}) },
		"confirm": func(s *server, l *Lock) error { return l.Confirm(s.t.Context()) },
		"give":    func(s *server, l *Lock) error { return l.Give(s.t.Context()) },
	}
	tests := []struct {
		name   string
		now    lock.Origin
		holder string
		kind   string
		said   string
	}{
		{"the same server by another name", now, "me", "ok", "changed during a run"},
		{"another server, free there", now, "", "elsewhere", `asked https://old for lock "web" with the certificate "web1"`},
		{"another server, another's there", now, "other", "elsewhere", "held by other"},
		{"renamed, and known by both names", renamed, "me", "ok", ""},
		{"renamed, and held by the former name", renamed, "web1", "elsewhere", "held by web1"},
		{"certificate not readable now", lock.Origin{Server: "https://new"}, "", "elsewhere", "an unknown certificate"},
	}
	for _, test := range tests {
		for way, does := range ways {
			t.Run(test.name+": "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer(t)
					s.origin = test.now
					s.hold(test.holder)
					l := s.open(lock.Options{Origin: &then, Claimed: true})
					err := does(s, l)
					if kind(err) != test.kind || !strings.Contains(s.text(err), test.said) {
						t.Errorf("%s: %s (%v); want %s, said %q", way, kind(err), err, test.kind, test.said)
					}
					if err != nil && (strings.ContainsAny(s.requests(), "PD") || l.NotOurs() || l.Origin() != then) {
						t.Errorf("%s: requests %s, not ours: %t, origin %+v", way, s.requests(), l.NotOurs(), l.Origin())
					}
					want := lock.Origin{Server: test.now.Server, Client: test.now.Client, Holder: "me"}
					if diff := cmp.Diff(want, l.Origin()); way == "take" && err == nil && diff != "" {
						t.Error(diff)
					}
				})
			})
		}
	}
}

// TestNotMoved: what is not known differs from nothing, and where nothing was asked for, the lock is asked for where it
// is now.
func TestNotMoved(t *testing.T) {
	now := lock.Origin{Server: "https://foreman", Client: "web1"}
	for _, then := range []*lock.Origin{nil, {}, {Server: "https://foreman"}, {Client: "web1"}, &now} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			s.origin = now
			s.hold("other")
			if err := s.open(lock.Options{Origin: then, Claimed: true}).Confirm(t.Context()); kind(err) != "lost" {
				t.Errorf("%+v: %v", then, err)
			}
		})
	}
}

// TestOrigin: where the lock would be asked for; once it was asked for, where that was, and what the server calls this
// host.
func TestOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.origin = lock.Origin{Server: "https://foreman", Client: "web1"}
		l := s.open(lock.Options{})
		if got := l.Origin(); got != s.origin {
			t.Errorf("before: %+v", got)
		}
		s.after("look after claim 1", func() error { s.origin.Client = ""; return nil }) // the file is being replaced
		if err := l.Take(t.Context(), lock.Terms{}); err != nil {
			t.Fatal(err)
		}
		if want := (lock.Origin{Server: "https://foreman", Client: "web1", Holder: "me"}); l.Origin() != want {
			t.Errorf("afterwards: %+v, want %+v", l.Origin(), want)
		}
	})
}

// TestAbandonElsewhere: what is shown elsewhere does not prove that nothing is left.
func TestAbandonElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.origin = lock.Origin{Server: "https://new"}
		l := s.open(lock.Options{Origin: &lock.Origin{Server: "https://old"}, Claimed: true})
		if l.Abandon(t.Context()) || strings.Contains(s.requests(), "D") {
			t.Errorf("certain, requests %s", s.requests())
		}
	})
}

// TestFormerName: the lock is held by what Foreman called this host when it took it.
func TestFormerName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.hold("web1.old")
		s.before("look 3", s.isStopped)
		l := s.open(lock.Options{Origin: &lock.Origin{Holder: "web1.old"}, Claimed: true})
		_, err := s.attempt(l, lock.OutOfService)
		if kind(err) != "stopped" || !strings.Contains(s.log.String(), "Foreman's name for this host") {
			t.Errorf("%v, log %s", err, &s.log)
		}
	})
}

// TestRenamedMeanwhile: the certificate gets another name after the lock was taken.
func TestRenamedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.origin = lock.Origin{Server: "https://foreman", Client: "web1"}
		l := s.open(lock.Options{})
		if err := l.Take(t.Context(), lock.Terms{}); err != nil {
			t.Fatal(err)
		}
		s.origin.Client = "web1.new"
		s.hold("web1")
		if err := l.Confirm(t.Context()); kind(err) != "elsewhere" {
			t.Errorf("confirm: %v", err)
		}
		if err := l.Give(t.Context()); kind(err) != "elsewhere" || strings.Contains(s.requests(), "D") {
			t.Errorf("give: %v, requests %s", err, s.requests())
		}
	})
}

// TestNotOurs: only an answer that no claim under way can overtake proves that this host does not hold the lock.
func TestNotOurs(t *testing.T) {
	for _, claimed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			s.hold("other")
			s.before("look 2", s.isStopped)
			l := s.open(lock.Options{Claimed: claimed})
			if l.NotOurs() || l.Asked() != claimed {
				t.Errorf("before the first look: not ours: %t, asked: %t", l.NotOurs(), l.Asked())
			}
			err := l.Take(s.ctx, lock.Terms{Purpose: lock.OutOfService, Waits: func(lock.Wait) {
				if l.NotOurs() == claimed {
					t.Errorf("after the first look: claimed: %t, not ours: %t", claimed, l.NotOurs())
				}
			}})
			if kind(err) != "stopped" || !l.NotOurs() {
				t.Errorf("%v, not ours: %t", err, l.NotOurs())
			}
		})
	}
}

// TestMeaning: what answers of the API mean for whoever has to end with one.
func TestMeaning(t *testing.T) {
	answer := func(kind error, status int) error { return &dlm.Error{Kind: kind, Status: status, Detail: "detail"} }
	missing := &net.DNSError{Name: "foreman.example.com", IsNotFound: true}
	tests := []struct {
		name             string
		err              error
		meaning          error
		why, next        string
		passes, renewing bool
	}{
		{"unavailable", answer(dlm.ErrUnavailable, 503), lock.ErrUnavailable, "Foreman is unavailable", "", true, false},
		{"not Foreman's", answer(dlm.ErrNotForeman, 404), nil, "the answer is not Foreman's", "", true, false},
		{"a page that refuses", answer(dlm.ErrNotForeman, 403), lock.ErrRefused,
			"the answer is not Foreman's", "", true, false},
		{"wrong address", answer(dlm.ErrWrongURL, 404), lock.ErrMisconfigured,
			"there is no Foreman at foreman_url", "", true, false},
		{"not trusted", answer(dlm.ErrUntrusted, 0), lock.ErrRefused,
			"the server can't prove that it is Foreman", "", true, false},
		{"files", answer(dlm.ErrCredentials, 0), lock.ErrMisconfigured,
			"this host's certificate or key can't be used", "", false, true},
		{"refused by the web server", answer(dlm.ErrRefused, 0), lock.ErrRefused,
			"Foreman's web server refuses this host's certificate", "", false, true},
		{"refused by Foreman", answer(dlm.ErrRefused, 401), lock.ErrRefused, "", "", false, false},
		{"rejected", answer(dlm.ErrRejected, 400), nil, "", "", false, false},
		{"duplicate", answer(dlm.ErrDuplicate, 0), nil, "", "delete one of the duplicate locks", false, false},
		{"no such host", &dlm.Error{Kind: dlm.ErrUnavailable, Err: missing}, lock.ErrUnavailable, "Foreman is unavailable",
			"add foreman.example.com to DNS", true, false},
		{"another error", errors.New("odd"), nil, "", "", false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := meaning(test.err)
			var public *lock.Error
			if !errors.As(got, &public) || public.Meaning != test.meaning || public.Why != test.why ||
				!errors.Is(got, test.err) {
				t.Errorf("%+v", public)
			}
			if !strings.Contains(public.Next, test.next) || test.next == "" && public.Next != "" {
				t.Errorf("next %q", public.Next)
			}
			if public.Temporary != test.passes || public.Renewing != test.renewing {
				t.Errorf("passes %t, renewing %t", public.Temporary, public.Renewing)
			}
		})
	}
	if meaning(nil) != nil {
		t.Error("nil is an error")
	}
}

// TestRenamedWhileItWaits: this host's certificate gets another name while a new run waits. The run has asked for
// nothing under the old one.
func TestRenamedWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.origin = lock.Origin{Server: "https://foreman", Client: "web1"}
		s.hold("other")
		looks := 0
		s.before("look", func() error {
			switch looks++; looks {
			case 3:
				s.origin.Client = "web1.new"
			case 5:
				s.hold("")
			}
			return nil
		})
		l := s.open(lock.Options{})
		if err := l.Take(s.ctx, lock.Terms{Purpose: lock.ForRun}); err != nil || l.Origin().Client != "web1.new" {
			t.Errorf("%v, asked for as %+v", err, l.Origin())
		}
	})
}
