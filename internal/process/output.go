package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"foreman-dlm-updater/internal/file"

	"golang.org/x/sys/unix"
)

const (
	maxLine    = 16 << 10 // bytes of one line that are logged
	readBuffer = 16 << 10 // bytes read at once; a bigger buffer costs each hook more than it gains
)

// output logs what a process writes, line by line.
//
// It has its own epoll set, because the kernel lists descriptors in the order in which they became ready
// (fs/eventpoll.c, rdllist). So lines are logged in the order in which they were written, as far as two pipes allow.
// With a goroutine for each pipe that order is lost: the Go scheduler runs the two in any order. The reader blocks in a
// thread instead of in Go's poller, because it must see one line before the next is written. The process's exit is in
// the same set: hearing of it from another goroutine would cost more than everything else that is done for a hook.
type output struct {
	set     int // the epoll set
	wake    int // an eventfd in the set, for news that no other descriptor gives
	pidfd   int // the process, in the set too; -1 where the kernel has no pidfds
	streams []*stream
	tail    tail
	notes   []string

	mu     sync.Mutex // of nudge and close
	closed bool
}

// stream is the reading end of one pipe, and the line that has begun on it.
type stream struct {
	fd     int
	closed bool
	log    func(line string)
	last   string // the line that was logged last
	line   []byte // at most maxLine+1 bytes, so that a \r in that place is seen
	cut    int64  // how many bytes of the line were dropped
}

// newOutput returns the reader, and the writing ends for the process's standard output and error. The caller closes
// those once the process has them. log is called for each line.
func newOutput(log func(stream, line string)) (o *output, ends [2]*os.File, err error) {
	o = &output{set: -1, wake: -1, pidfd: -1}
	defer func() {
		if err != nil {
			o.close()
			closeAll(ends)
		}
	}()
	if o.set, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, ends, fmt.Errorf("create an epoll set: %w", err)
	}
	if o.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return nil, ends, fmt.Errorf("create an eventfd: %w", err)
	}
	if err = o.watch(o.wake); err != nil {
		return nil, ends, fmt.Errorf("watch an eventfd: %w", err)
	}
	for i, what := range []string{"stdout", "stderr"} {
		ends[i], err = o.pipe(func(line string) {
			log(what, line)
			o.tail.add(line)
			if text := note(line); text != "" && what == "stdout" && len(o.notes) < maxNotes {
				o.notes = append(o.notes, text)
			}
		})
		if err != nil {
			return nil, ends, fmt.Errorf("create a pipe for %s: %w", what, err)
		}
	}
	return o, ends, nil
}

// pipe adds a stream and returns its writing end.
func (o *output) pipe(log func(string)) (*os.File, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	writer := os.NewFile(uintptr(ends[1]), "pipe")
	o.streams = append(o.streams, &stream{fd: ends[0], log: log})
	// Only our end: the process must find a pipe that blocks.
	if err := unix.SetNonblock(ends[0], true); err != nil {
		return writer, err
	}
	return writer, o.watch(ends[0])
}

// watch adds a descriptor to the epoll set. Edge-triggered: otherwise the kernel would list a stream again that was
// already read, and in the same place.
func (o *output) watch(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}
	return unix.EpollCtl(o.set, unix.EPOLL_CTL_ADD, fd, &event)
}

// close closes the descriptors. A process that still writes gets SIGPIPE.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, fd := range []int{o.set, o.wake, o.pidfd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	for _, s := range o.streams {
		unix.Close(s.fd)
	}
}

func closeAll(files [2]*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// said is the last line of standard error, shortened.
func (o *output) said() string {
	const most = 200
	return file.Cut(o.streams[1].last, most)
}

func (o *output) open() (n int) {
	for _, s := range o.streams {
		if !s.closed {
			n++
		}
	}
	return n
}

// nudge makes follow look again. It may be called by any goroutine at any time.
func (o *output) nudge() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed { // the number may be somebody else's descriptor by now
		return
	}
	_, _ = unix.Write(o.wake, []byte{1, 1, 1, 1, 1, 1, 1, 1}) // any number but 0 (eventfd(2))
}

// follow logs both streams until the process is over and the streams have ended, but no longer than linger after the
// end of the process. Then it closes them, and reports whether they had ended.
func (o *output) follow(p *process, linger time.Duration) (ended bool) {
	defer o.close()
	buf := make([]byte, readBuffer)
	var ready []unix.EpollEvent
	var deadline time.Time // once the process is over
	for {
		if deadline.IsZero() && p.over() {
			deadline = time.Now().Add(linger)
		}
		if !deadline.IsZero() && (o.open() == 0 || !time.Now().Before(deadline)) {
			break
		}
		var fresh [4]unix.EpollEvent
		// The only possible error is EINTR; n is -1 then.
		n, _ := unix.EpollWait(o.set, fresh[:], patience(deadline, len(ready) > 0))
		ready = append(ready, fresh[:max(n, 0)]...)
		var again []unix.EpollEvent // those that may have more to read without another event
		for _, event := range ready {
			if event.Fd == int32(o.pidfd) {
				p.reap()
			}
			for _, s := range o.streams {
				if event.Fd == int32(s.fd) && s.read(buf, event.Events&unix.EPOLLHUP != 0) {
					again = append(again, event)
				}
			}
		}
		ready = again
	}
	for _, s := range o.streams {
		s.end()
	}
	return o.open() == 0
}

// patience is how long to wait for events, in milliseconds: -1 for ever.
func patience(deadline time.Time, busy bool) int {
	switch {
	case busy:
		return 0
	case deadline.IsZero():
		return -1
	}
	return int(max(time.Until(deadline), 0)/time.Millisecond) + 1
}

// read reads what is there, at most a buffer full, and reports whether it must be called again without another event. A
// short read has emptied the pipe, and later data has its own event. The end of the stream has none if it was announced
// together with the data (hup).
func (s *stream) read(buf []byte, hup bool) (more bool) {
	if s.closed {
		return false
	}
	n, err := unix.Read(s.fd, buf)
	switch {
	case errors.Is(err, unix.EINTR):
		return true
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil || n == 0:
		s.closed = true
		return false
	}
	s.write(buf[:n])
	return hup || n == len(buf)
}

// write logs the lines that end in p and keeps the rest.
func (s *stream) write(p []byte) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.keep(p)
			return
		}
		s.keep(p[:i])
		s.flush()
		p = p[i+1:]
	}
}

// keep adds p to the line, up to the limit, and counts the bytes that it drops.
func (s *stream) keep(p []byte) {
	n := min(len(p), maxLine+1-len(s.line))
	s.line = append(s.line, p[:n]...)
	s.cut += int64(len(p) - n)
}

// end logs a last line that has no newline.
func (s *stream) end() {
	if len(s.line) > 0 {
		s.flush()
	}
}

// flush logs the line and begins the next.
func (s *stream) flush() {
	line, cut := s.line, s.cut
	if cut == 0 {
		line = bytes.TrimSuffix(line, []byte("\r"))
	}
	if len(line) > maxLine {
		end := runeStart(line, maxLine)
		cut += int64(len(line) - end)
		line = line[:end]
	}
	text := file.Escape(line)
	if cut > 0 {
		text += fmt.Sprintf(" [%d more bytes left out]", cut)
	}
	s.log(text)
	if text != "" {
		s.last = text
	}
	s.line, s.cut = s.line[:0], 0
}

// runeStart is the last place up to i where b can be cut without cutting a character.
func runeStart(b []byte, i int) int {
	for back := i; back > i-utf8.UTFMax && back > 0; back-- {
		if utf8.RuneStart(b[back]) {
			return back
		}
	}
	return i // no UTF-8
}
