package test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/workflow"
)

// TestRecipesOfPlanning follows the recipes of docs/planning.md as they stand, but for the dates of a freeze, which is
// always on here. Each recipe has hosts of its own, whose folders stand in for /etc/foreman_dlm_updater. ssh is a
// script that runs the command on such a host. A block without a language holds lines that the commands before it say.
func TestRecipesOfPlanning(t *testing.T) {
	programs := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", programs+"/", "../cmd/foreman-dlm-updater")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	played := map[string]bool{}
	for _, section := range strings.Split("\n"+read(t, "../docs/planning.md"), "\n## ") {
		match := regexp.MustCompile(`^Recipe (\d):`).FindStringSubmatch(section)
		switch {
		case match == nil && block.MatchString(section):
			t.Errorf("no recipe has the blocks of %q", section)
		case match == nil:
		case playRecipe[match[1]] == nil:
			t.Errorf("nothing plays recipe %s", match[1])
		default:
			played[match[1]] = true
			t.Run("recipe "+match[1], func(t *testing.T) {
				playRecipe[match[1]](t, &recipe{cluster: newCluster(t, programs), text: section})
			})
		}
	}
	if len(played) != len(playRecipe) {
		t.Errorf("docs/planning.md has only the recipes %v", played)
	}
}

// playRecipe are the things that happen to the hosts of each recipe while somebody follows it.
var playRecipe = map[string]func(t *testing.T, r *recipe){
	"1": func(t *testing.T, r *recipe) {
		r.files(t)
		r.host(t, "stage1").update(t, "exit 1")
		r.commands(t) // stage1 fails, and production waits
		r.host(t, "stage1").update(t, "exit 0")
		r.commands(t)
		r.over(t)
	},
	"2": func(t *testing.T, r *recipe) {
		r.files(t)
		r.host(t, "web2").update(t, "exit 1")
		r.commands(t) // web2 fails, and no other host begins
		others := []string{"web1", "web3", "web4", "web5", "web6"}
		for _, name := range others {
			r.start(t, name)
		}
		for range others {
			if why := <-r.waits; !strings.Contains(why, "stopped: 1 failure is allowed, and web2 has failed") {
				t.Errorf("it does not wait for web2: %s", why)
			}
		}
		r.commands(t) // the operator finds out why web2 has failed
		if n := r.granted("web"); n != 1 {
			t.Errorf("the slots were granted %d times before web2 was fixed, not once", n)
		}
		r.host(t, "web2").update(t, "exit 0")
		r.commands(t)
		for range others { // they go on by themselves
			if err := <-r.ended; err != nil {
				t.Error(err)
			}
		}
		r.over(t)
	},
	"3": func(t *testing.T, r *recipe) {
		r.text = regexp.MustCompile(`20\d\d-\d\d-\d\d \.\. 20\d\d-\d\d-\d\d`).ReplaceAllString(r.text,
			time.Now().AddDate(0, 0, -3).Format(time.DateOnly)+" .. "+time.Now().AddDate(0, 0, 3).Format(time.DateOnly))
		r.files(t)
		r.commands(t) // what a freeze does
		r.commands(t) // what a pause does
		r.over(t)
	},
}

// recipe is a recipe of the page and the hosts that it is about.
type recipe struct {
	*cluster
	text string // what has not been followed yet
}

// cluster is a stand-in for Foreman, and hosts.
type cluster struct {
	dir, programs string
	ca            *sandbox.CA
	foreman       *sandbox.Server
	url           string
	hosts         map[string]simHost
	waits         chan string // lines of the logs: why a run may not begin, or that it began
	ended         chan error
}

// simHost is the folder of a host.
type simHost string

func newCluster(t *testing.T, programs string) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), programs: programs, foreman: sandbox.New(sandbox.Options{}),
		hosts: map[string]simHost{}, waits: make(chan string, 10), ended: make(chan error, 10)}
	var err error
	if c.ca, err = sandbox.NewCA(filepath.Join(c.dir, "ca")); err != nil {
		t.Fatal(err)
	}
	listener, err := c.foreman.Start(c.ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	c.url = listener.URL
	c.write(t, "bin/ssh", "#!/bin/sh\nexport SIM_HOST=$1\nshift\nexec sh -c \"$*\"\n", 0o755)
	c.write(t, "bin/foreman-dlm-updater", fmt.Sprintf(
		"#!/bin/sh\nexec %s/foreman-dlm-updater -c %s/$SIM_HOST/config.ini \"$@\"\n",
		programs, c.dir), 0o755)
	return c
}

func (c *cluster) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// host makes a host, if there is none of that name yet.
func (c *cluster) host(t *testing.T, name string) simHost {
	t.Helper()
	if host, ok := c.hosts[name]; ok {
		return host
	}
	crt, key, err := c.ca.Issue(name, sandbox.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("[main]\nforeman_url = %s\nclient_crt = %s\nclient_key = %s\nca = %s\n"+
		"state = %[5]s/state\nlock = %[5]s/lock\nfreeze.d = %[5]s/freeze.d\ngate.d = %[5]s/gate.d\n"+
		"boot_id_file = %[5]s/boot_id\nlock_settle = 100ms\nlock_retry_interval = 200ms\nlock_timeout = 1m\n",
		c.url, crt, key, c.ca.File(), filepath.Join(c.dir, name))
	for stage, exit := range map[string]int{"needs_update": 1, "pre_update": 0, "update": 0, "needs_reboot": 0,
		"post_update": 0} {
		config += fmt.Sprintf("%s.d = %s\n", stage, filepath.Join(c.dir, name, stage+".d"))
		c.write(t, fmt.Sprintf("%s/%s.d/50-test", name, stage), fmt.Sprintf("#!/bin/sh\nexit %d\n", exit), 0o755)
	}
	c.write(t, name+"/boot_id", "boot-1\n", 0o644)
	c.write(t, name+"/config.ini", config, 0o644)
	c.hosts[name] = simHost(filepath.Join(c.dir, name))
	return c.hosts[name]
}

// update gives the host another hook in update.d.
func (h simHost) update(t *testing.T, script string) {
	t.Helper()
	if err := os.WriteFile(string(h)+"/update.d/50-test", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// start starts a run as the host's timer does.
func (c *cluster) start(t *testing.T, name string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), filepath.Join(c.programs, "foreman-dlm-updater"),
		"-c", string(c.host(t, name))+"/config.ini", "run")
	log, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		var said strings.Builder
		for lines, answered := bufio.NewScanner(log), false; lines.Scan(); {
			fmt.Fprintln(&said, lines.Text())
			if beginning.MatchString(lines.Text()) && !answered {
				answered = true
				c.waits <- lines.Text()
			}
		}
		err := run.Wait()
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s", name, err, &said)
		}
		c.ended <- err
	}()
}

// beginning is the line that says whether a run may begin.
var beginning = regexp.MustCompile("waiting: the run may not begin|lock acquired|run stopped")

// granted is how many times the slots of a cluster were given to a host.
func (c *cluster) granted(name string) (n int) {
	for _, event := range c.foreman.Events() {
		isSlot := event.Lock == name || strings.HasPrefix(event.Lock, name+".slot")
		if isSlot && event.Kind == sandbox.EventAcquire {
			n++
		}
	}
	return n
}

var (
	block = regexp.MustCompile("(?s)```([a-z]*)\n(.*?)```\n")
	// What the first line of a file's block says: the file, and on which hosts it is.
	where = regexp.MustCompile(`^# /etc/foreman_dlm_updater/(\S+) on (.*)\n`)
	// What is another one at each run: moments, and the slot that a host gets.
	moment = regexp.MustCompile(`(?:[A-Z][a-z][a-z] )?20\d\d-\d\d-\d\d(?: \d\d:\d\d)?(?: [A-Z]+\b)?`)
	slot   = regexp.MustCompile(`\.(failed|slot)\d`)
	spaces = regexp.MustCompile(` +`)
)

// next returns the next block of the recipe, if it is of that kind.
func (r *recipe) next(kinds ...string) (text string, ok bool) {
	match := block.FindStringSubmatchIndex(r.text)
	if match == nil || !slices.Contains(kinds, r.text[match[2]:match[3]]) {
		return "", false
	}
	text, r.text = r.text[match[4]:match[5]], r.text[match[1]:]
	return text, true
}

// files writes the files of the next blocks. A config.ini goes on after the lines that connect the host.
func (r *recipe) files(t *testing.T) {
	t.Helper()
	n := 0
	for text, ok := r.next("ini", "text"); ok; text, ok = r.next("ini", "text") {
		n++
		match := where.FindStringSubmatch(text)
		if match == nil {
			t.Fatalf("it does not say where the file is:\n%s", text)
		}
		for host := range strings.SplitSeq(match[2], ", ") {
			content := text
			if r.host(t, host); match[1] == "config.ini" {
				content = read(t, filepath.Join(r.dir, host, match[1])) + text
			}
			r.write(t, host+"/"+match[1], content, 0o644)
		}
	}
	if n == 0 {
		t.Fatal("the recipe has no files here")
	}
	r.makeLocks(t)
}

// makeLocks makes the slots and flags of all hosts' configurations, as an administrator should.
func (r *recipe) makeLocks(t *testing.T) {
	t.Helper()
	for _, host := range r.hosts {
		c, _, err := config.Load(string(host)+"/config.ini", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Concat(workflow.Slots(c.LockName, c.LockSlots),
			workflow.Flags(c.LockName, c.LockSlots)) {
			r.foreman.SetHolder(name, "")
		}
	}
}

// commands runs the commands of the next block, and holds the lines of the block after it against what they say.
func (r *recipe) commands(t *testing.T) {
	t.Helper()
	script, ok := r.next("sh")
	if !ok {
		t.Fatal("the recipe has no commands here")
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-uc", script)
	cmd.Env = append(os.Environ(), "PATH="+r.dir+"/bin:"+os.Getenv("PATH"), "SUDO_USER=anna", "TZ=UTC")
	out, _ := cmd.CombinedOutput() // some fail, as the recipe says; what they say counts
	said := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		said[alike(line)] = true
	}
	wanted, _ := r.next("")
	for line := range strings.Lines(wanted) {
		if !said[alike(line)] {
			t.Errorf("nothing says %s", line)
		}
	}
	t.Logf("%s\n%s", script, out)
}

// alike is the line without what differs each time.
func alike(line string) string {
	line = moment.ReplaceAllString(strings.TrimSpace(line), "MOMENT")
	return spaces.ReplaceAllString(slot.ReplaceAllString(line, ".$1"), " ")
}

// over: the whole recipe was followed, and nobody holds a lock any more.
func (r *recipe) over(t *testing.T) {
	t.Helper()
	if left := block.FindString(r.text); left != "" {
		t.Errorf("not followed:\n%s", left)
	}
	for _, event := range r.foreman.Events() {
		if row, _ := r.foreman.Lock(event.Lock); row.Holder != "" {
			t.Errorf("%s still holds %s", row.Holder, event.Lock)
		}
	}
}
