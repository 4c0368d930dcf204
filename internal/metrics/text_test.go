package metrics

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parsed is what Prometheus' own parser makes of a text: the samples of each family, by the values of their labels.
func parsed(t *testing.T, text string) map[string]map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	found := map[string]map[string]float64{}
	for name, family := range families {
		if family.GetType().String() != "GAUGE" {
			t.Errorf("%s is a %s", name, family.GetType())
		}
		about := name + ": " + family.GetHelp()
		found[about] = map[string]float64{}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, pair := range metric.GetLabel() {
				labels = append(labels, pair.GetName()+"="+pair.GetValue())
			}
			found[about][strings.Join(labels, ",")] = metric.GetGauge().GetValue()
		}
	}
	return found
}

// FuzzText: whatever is written says the same to Prometheus, and is read back.
func FuzzText(f *testing.F) {
	for _, text := range []string{"web", `we"b`, `back\slash`, `\n`, "new\nline", "tab\tand\rreturn", "ümlaut ☂",
		"}{,=# ", "\x00", "\xff", ""} {
		for _, value := range []float64{0, 1, -0.5, 4.25, 1795302843, 1795302843.123, 1e-9, 1e21, math.MaxFloat64,
			math.Inf(1), math.Inf(-1)} {
			f.Add(text, text, text, value)
		}
	}
	f.Fuzz(func(t *testing.T, lock, help, label string, value float64) {
		if math.IsNaN(value) || !utf8.ValidString(help) {
			t.Skip("not equal to itself; or a help that no programmer wrote")
		}
		// The parser drops the space before and behind a help.
		help = "h" + help + "h"
		text, err := encode(lock, map[string]family{
			"a": {samples: map[string]float64{"": value}}, "none": {},
			"b": {help, "stage", map[string]float64{label: value, label + "2": 0}}})
		if !utf8.ValidString(lock) || !utf8.ValidString(label) {
			if err == nil {
				t.Errorf("not UTF-8, and written: %q", text)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]map[string]float64{prefix + "a: ": {"lock=" + lock: value},
			prefix + "b: " + help: {"lock=" + lock + ",stage=" + label: value, "lock=" + lock + ",stage=" + label + "2": 0}}
		if diff := cmp.Diff(want, parsed(t, string(text))); diff != "" {
			t.Errorf("Prometheus reads (-written +read): %s\n%s", diff, text)
		}
		samples, err := decode(string(text))
		written := []sample{{prefix + "a", map[string]string{"lock": lock}, value},
			{prefix + "b", map[string]string{"lock": lock, "stage": label}, value},
			{prefix + "b", map[string]string{"lock": lock, "stage": label + "2"}, 0}}
		if diff := cmp.Diff(written, samples, cmp.AllowUnexported(sample{})); err != nil || diff != "" {
			t.Errorf("read back: %v\n%s", err, diff)
		}
	})
}

// TestBothRead: Prometheus' parser and this program's read the same from an existing file.
func TestBothRead(t *testing.T) {
	text := read(t, "testdata/everything.prom")
	samples, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, family := range parsed(t, text) {
		count += len(family)
	}
	if len(samples) != count {
		t.Errorf("%d samples, and Prometheus reads %d", len(samples), count)
	}
	file := File{filepath.Join(t.TempDir(), "x.prom")}
	// Files of other writers: spaces, empty lines and comments mean nothing.
	other := "\n# comment\n  " + prefix + "state{ } 1\n" + prefix + took + `{stage="update",} 2.5` + "\r\n"
	for _, content := range []string{other, other + prefix + `state{lock="x} 1`, other + prefix + "state{lock} 1",
		other + prefix + "state",
		other + prefix + "state one", other + "{} 1", other + prefix + `state{lock="\q"} 1`} {
		if err := os.WriteFile(file.Path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		last, err := file.Read()
		if content != other {
			if err == nil || !strings.Contains(err.Error(), "something else") {
				t.Errorf("%q: %v", content, err)
			}
		} else if err != nil || last.Took[state.Update] != 2.5 {
			t.Errorf("%+v, %v", last, err)
		}
	}
}
