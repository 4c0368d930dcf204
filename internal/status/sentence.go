package status

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"
)

// Say fills in the code and the sentence, as of now.
func (s *Status) Say(now time.Time) {
	s.Version, s.At = Version, now
	s.Code, s.Sentence = s.codeAndSentence()
	s.Sentence += s.restText()
	if due := s.RebootDue; due != nil {
		s.Sentence += fmt.Sprintf("; a reboot may be due since %s: needs_reboot hook %s: %s", s.clock(due.Since), due.Hook,
			due.Message)
	}
	if len(s.Unseen) > 0 {
		s.Sentence += "; could not see " + strings.Join(s.unseenTexts(), "; ")
	}
	for _, text := range []*string{&s.Sentence, &s.Stopped, &s.Next} {
		*text = WithConfig(*text, s.Config)
	}
	// For systemd a newline begins another variable, and a damaged state file may hold anything.
	s.Sentence = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s.Sentence)
}

// codeAndSentence lists all states in order; the first that fits counts.
func (s *Status) codeAndSentence() (Code, string) {
	switch {
	case s.RebootPending != nil:
		return RebootPending, fmt.Sprintf("reboot asked for %s, host has not gone down%s; %s", s.clock(*s.RebootPending),
			s.inhibitedText(), s.Holder())
	case s.Running && s.Stopped != "": // it is running and can't write its state
		return Stopped, fmt.Sprintf("an invocation is running (pid %d) in stage %s, and no further stage begins "+
			"until its state can be written: %s; %s", s.PID, s.Stage, s.Stopped, s.Holder())
	case s.waits():
		return Waiting, s.waitingText()
	case s.Running && s.Error != nil:
		return Running, fmt.Sprintf("an invocation is running (pid %d) after stage %s had failed %s; %s", s.PID,
			s.Error.Stage, s.clock(s.Error.Time), s.Holder())
	case s.Running && s.Stage != "":
		return Running, s.runningText()
	case s.Running && s.handPID != 0 && s.handPID == s.PID:
		return Running, fmt.Sprintf("`lock exec` is running (pid %d); %s, by hand: %s", s.PID, s.Holder(), s.ByHand)
	case s.Running:
		return Running, fmt.Sprintf("an invocation is running (pid %d); %s", s.PID, s.Holder())
	case s.Stage == "" && s.holdsWithoutRun() && s.stop.Later:
		return Orphan, s.orphanText()
	case s.gaveUp() && s.No != nil && s.stop.Stage == "": // it had not begun
		return NotNow, s.noText() + s.holderAfter()
	case s.gaveUp():
		return NotNow, s.gaveUpText()
	case s.Error != nil:
		return Failed, s.failedText()
	case s.stop.Later:
		return Interrupted, fmt.Sprintf("stage %s was not finished (%s %s) and nothing runs; %s; go on with %s", s.Stage,
			s.Stopped, s.clock(s.stop.At), s.Holder(), s.runCommand())
	case s.Stopped != "":
		return Stopped, fmt.Sprintf("the run stopped %s; %s; %s", s.stopText(), s.Holder(), s.Next)
	case s.rebooted:
		return Rebooted, fmt.Sprintf("the host was rebooted as asked, stage %s is next; %s; go on with %s", s.Stage,
			s.Holder(), s.runCommand())
	case s.Stage != "" && s.StageBegan == nil && s.Record != nil && !s.Record.SetByHand.IsZero():
		return Interrupted, fmt.Sprintf("stage %s is next (set by hand %s) and nothing runs; %s%s; go on with %s", s.Stage,
			s.clock(s.Record.SetByHand), s.Holder(), s.leftOutText(), s.runCommand())
	case s.Stage != "":
		return Interrupted, fmt.Sprintf("stage %s was not finished (a signal, a crash or a power cut) and nothing runs; %s; "+
			"go on with %s", s.Stage, s.Holder(), s.runCommand())
	case s.holdsWithoutRun():
		return Orphan, s.orphanText()
	case s.No != nil:
		return NotNow, s.noText() + s.holderAfter()
	}
	return Idle, "nothing to do: no run in progress; " + s.Holder()
}

// unseenTexts says what could not be looked at. It leaves out reasons that the sentence has given already: what stopped
// the last run, such as a server that is down or a certificate, often also keeps the status from looking at the lock.
func (s *Status) unseenTexts() []string {
	texts := slices.Clone(s.Unseen)
	for i, text := range texts {
		if what, why, _ := strings.Cut(text, ": "); why != "" && strings.Contains(s.Sentence, why) {
			texts[i] = what + ", for the same reason"
		}
	}
	return texts
}

// gaveUp reports whether the last invocation gave up, and the host is in service.
func (s *Status) gaveUp() bool {
	return s.stop.Later && !s.Running && !s.OutOfService()
}

// gaveUpText says when and why the last invocation gave up, and why no run begins now, unless that is the same.
func (s *Status) gaveUpText() string {
	text := "gave up " + s.stopText()
	if s.No != nil && !strings.Contains(text, s.No.Why) {
		text += "; " + s.noText()
	}
	return fmt.Sprintf("%s; %s; %s", text, s.Holder(), s.Next)
}

// stopText says when, in which stage and why the last invocation ended, and since when all have ended like this.
func (s *Status) stopText() string {
	text := s.clock(s.stop.At)
	if s.stop.Stage != "" {
		text += fmt.Sprintf(" in stage %s", s.stop.Stage)
	}
	text += ": " + s.Stopped
	if s.Last != nil && s.Last.Ended.Equal(s.stop.At) && s.Last.Ended.Sub(s.Last.Since) >= time.Minute {
		text += fmt.Sprintf(" (it has ended like this each time since %s)", s.clock(s.Last.Since))
	}
	return text
}

func (s *Status) orphanText() string {
	if s.ByHand != "" {
		return fmt.Sprintf("no run in progress: %s, by hand: %s; once nobody needs it, `foreman-dlm-updater lock release`",
			s.Holder(), s.ByHand)
	}
	with := "this certificate"
	if s.origin.Client != "" {
		with += fmt.Sprintf(" (CN %q)", s.origin.Client)
	}
	return fmt.Sprintf("no run in progress, but %s: it was taken by hand, by a run that was forgotten (state clear) or "+
		"of another configuration of this host, or by another machine with %s; once this host is in service and nobody "+
		"needs it, `foreman-dlm-updater lock release`", s.Holder(), with)
}

// leftOutText warns of a stage set by hand that leaves post_update out. Nobody knows whether the services are stopped:
// the record that was replaced may have been in lock_release too.
func (s *Status) leftOutText() string {
	if s.Stage != state.LockRelease {
		return ""
	}
	return "; it starts no services: if they are stopped, `foreman-dlm-updater state set post_update` first"
}

func (s *Status) waits() bool {
	return s.Running && (s.Stage == state.LockGet || s.WaitingSince != nil || s.lostInGuardedStage())
}

// lostInGuardedStage reports whether the lock is lost in a stage that does not run without it, so that the run waits.
func (s *Status) lostInGuardedStage() bool {
	return s.Error == nil && s.Lock.Seen && !s.Lock.Self && workflow.Guarded(s.Stage)
}

func (s *Status) runningText() string {
	text := fmt.Sprintf("stage %s is running", s.Stage)
	if s.StageBegan != nil {
		text += " since " + s.clock(*s.StageBegan)
	}
	if s.Hook != "" {
		text += ", hook " + s.Hook
	}
	return fmt.Sprintf("%s (pid %d)%s; %s", text, s.PID, s.inhibitedText(), s.Holder())
}

// inhibitedText names the programs that keep the host from being shut down, where a reboot comes next.
func (s *Status) inhibitedText() string {
	if len(s.Inhibitors) == 0 {
		return ""
	}
	return "; shutdown blocked by " + strings.Join(s.Inhibitors, ", ")
}

// waitingText says what the run waits for, for how long, and what is in the way.
func (s *Status) waitingText() string {
	text := "waiting"
	if since := s.WantedSince(); since != nil {
		text += " " + Span(s.At.Sub(*since))
	}
	if s.waitsFor != "" {
		return fmt.Sprintf("%s: %s%s", text, s.waitsFor, s.holderAfter())
	}
	if s.anySlot() {
		text += " for a slot of lock " + s.Slots[0].Name
	} else {
		text += " for lock " + s.Lock.Name
	}
	if s.Stage != state.LockGet && s.Stage != "" {
		text += fmt.Sprintf(" to go on with stage %s", s.Stage)
		if s.Error != nil {
			text += ", which " + s.failureText()
		}
	}
	lock := s.Lock
	switch {
	case s.noLook() && s.refusal != "":
		return text + ": " + s.refusal
	case lock.NoLook:
		return fmt.Sprintf("%s (%s)", text, s.Wording.NoLook)
	case !lock.Seen:
		return text + ": its holder is not known"
	case s.anySlot() && !lock.Barred:
		return text + ": " + s.slotsText()
	case !lock.Exists:
		return fmt.Sprintf("%s: it does not exist in %s yet", text, s.Wording.Server)
	case !lock.Enabled:
		return fmt.Sprintf("%s: lock %s is disabled in %s", text, lock.Name, s.Wording.Server)
	case lock.Self:
		return text + ": this host has claimed it"
	case lock.Holder != "":
		return text + ": held by " + lock.Holder + s.sinceText(true) + s.elsewhereText()
	case lock.Barred:
		return text + ": " + s.Wording.Barred
	}
	return text + ": it is free"
}

// failedText says which stage stopped the run, and what to do next.
func (s *Status) failedText() string {
	text := fmt.Sprintf("stage %s %s", s.Error.Stage, s.failureText())
	switch {
	case s.Stage != "" && !s.OutOfService():
		return fmt.Sprintf("%s; %s; fix it, or let the next %s try again", text, s.Holder(), s.runCommand())
	case s.Lock.Seen && !s.Lock.Self:
		return fmt.Sprintf("%s, but %s%s%s; fix it, then %s", text, s.holderText(),
			s.raisedText(", and flag %s was raised for this host"), s.elsewhereText(), s.runCommand())
	}
	kept := "lock kept"
	switch released, lost := s.released(), s.lost(); {
	case s.Lock.Self:
	case released != nil:
		kept = "lock released by hand " + s.clock(*released)
	case lost != nil:
		kept = "lock lost: another host had it " + s.clock(*lost)
	case s.noLook():
		kept = s.remembered(kept)
	}
	return fmt.Sprintf("%s, %s%s%s; fix it, then %s", text, kept, s.raisedText(", flag %s up"), s.elsewhereText(),
		s.runCommand())
}

// failureText says when, in which hook and why the stage failed.
func (s *Status) failureText() string {
	text := "failed " + s.clock(s.Error.Time)
	if s.Error.Hook != "" {
		text += " in " + s.Error.Hook
	}
	return fmt.Sprintf("%s (%s)", text, s.Error.Message)
}

// Holder says who holds the lock, as far as that is known, and what to do if the run may hold it at another server.
func (s *Status) Holder() string { return s.holderText() + s.elsewhereText() }

// elsewhereText is empty unless the run may hold the lock although the server does not show that: the run asked another
// server, or used another name there.
func (s *Status) elsewhereText() (text string) {
	if s.Stage == "" || s.Record == nil || s.Record.Taken == nil || s.Lock.Self {
		return ""
	}
	taken, holder := s.Record.Taken, s.Lock.Holder
	own := holder != "" && (holder == taken.Holder || holder == taken.CN)
	if own {
		text = ", which was this run's own name when it took the lock"
	}
	switch {
	case s.askedElsewhere():
		text += fmt.Sprintf("; this run asked %s for it as %q: set %s back, or have an administrator free it there "+
			"(%s), then `foreman-dlm-updater state set %s`", taken.URL, taken.CN, s.Wording.Keys, s.Wording.Where, s.Stage)
	case own:
		text += fmt.Sprintf(": an administrator has to free it in %s (%s)", s.Wording.Server, s.Wording.Where)
	}
	return text
}

// askedElsewhere reports whether the run asked another server for its lock, or used another name there.
func (s *Status) askedElsewhere() bool {
	origin := workflow.OriginOf(s.Record)
	return origin != nil && origin.Differs(s.origin)
}

func (s *Status) holderText() string {
	lock := s.Lock
	var text string
	switch {
	case s.noLook():
		return s.rememberedText()
	case !lock.Seen:
		return fmt.Sprintf("the holder of lock %s is not known", lock.Name)
	case s.anySlot():
		return fmt.Sprintf("lock %s: %s", s.Slots[0].Name, s.slotsText())
	case !lock.Exists:
		return fmt.Sprintf("lock %s does not exist in %s yet", lock.Name, s.Wording.Server)
	case lock.Self:
		text = fmt.Sprintf("lock %s held by this host", lock.Name)
	case lock.Holder != "":
		text = fmt.Sprintf("lock %s held by %s", lock.Name, lock.Holder)
	default:
		text = fmt.Sprintf("lock %s is free", lock.Name)
	}
	text += s.sinceText(false)
	if !lock.Enabled {
		text += ", and disabled in " + s.Wording.Server
	}
	return text
}

// rememberedText says what this host remembers of a lock that nobody can look at.
func (s *Status) rememberedText() string {
	what := "not this host's"
	switch since, released, lost := s.OutOfServiceSince(), s.released(), s.lost(); {
	case released != nil:
		what = fmt.Sprintf("not this host's (released by hand %s)", s.clock(*released))
	case lost != nil:
		what = fmt.Sprintf("not this host's (another host had it %s)", s.clock(*lost))
	case since != nil:
		what = "this run's since " + s.clock(*since)
	case s.OutOfService():
		what = "this run's"
	case s.ByHand != "":
		what = "this host's"
	case s.Record != nil && !s.Record.ClaimSent.IsZero():
		what = "asked for by this run"
	}
	return s.remembered(fmt.Sprintf("lock %s is %s", s.Lock.Name, what))
}

// remembered adds to a statement that nobody can look whether it is still true.
func (s *Status) remembered(text string) string {
	return fmt.Sprintf("%s, as far as this host remembers (%s)", text, s.Wording.NoLook)
}

// sinceText says since when the lock is held. long: also how long that is, and when the server calls it stale.
func (s *Status) sinceText(long bool) string {
	if s.Lock.Since == nil {
		return ""
	}
	text := " since " + s.clock(*s.Lock.Since)
	held := s.At.Sub(*s.Lock.Since)
	switch stale := s.Wording.StaleAfter; {
	case stale > 0 && held >= stale && !s.Lock.Self: // a run refreshes this host's lock; without one the sentence says so
		return fmt.Sprintf("%s (%s; %s calls it stale)", text, Span(held), s.Wording.Server)
	case stale > 0 && long:
		return fmt.Sprintf("%s (%s; %s calls it stale after %s)", text, Span(held), s.Wording.Server, Span(stale))
	}
	return text
}

// clock writes a time for people, with the day unless it is today.
func (s *Status) clock(t time.Time) string {
	t, now := t.Local(), s.At.Local()
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// Span writes a duration for people, in its two largest units.
func Span(d time.Duration) string {
	d = max(d, 0)
	minutes := int(d / time.Minute)
	switch hours, days := minutes/60, minutes/60/24; {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case hours == 0:
		return fmt.Sprintf("%d min", minutes)
	case days == 0 && minutes%60 == 0:
		return fmt.Sprintf("%d h", hours)
	case days == 0:
		return fmt.Sprintf("%d h %d min", hours, minutes%60)
	case hours%24 == 0:
		return fmt.Sprintf("%d d", days)
	default:
		return fmt.Sprintf("%d d %d h", days, hours%24)
	}
}
