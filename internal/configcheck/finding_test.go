package configcheck

import (
	"errors"
	"testing"
)

func TestSummary(t *testing.T) {
	for _, test := range []struct {
		sum  Summary
		want string
	}{
		{Summary{}, "c.ini is fine"},
		{Summary{Warnings: 1}, "c.ini is fine, with 1 warning"},
		{Summary{Warnings: 2}, "c.ini is fine, with 2 warnings"},
		{Summary{Errors: 1}, "c.ini: 1 error, 0 warnings"},
		{Summary{Errors: 3, Warnings: 2}, "c.ini: 3 errors, 2 warnings"},
	} {
		if got := test.sum.Line("c.ini"); got != test.want {
			t.Errorf("%+v: %q, want %q", test.sum, got, test.want)
		}
	}
}

// TestSummaryAdds: each advice is a warning, and the first error is the worst one.
func TestSummaryAdds(t *testing.T) {
	first := unusable(errors.New("first"))
	var sum Summary
	advice := Finding{Fine: "not so well", Advice: []Advice{{"a", ""}, {"b", ""}}}
	for _, found := range []Finding{fine("well"), advice, first, unusable(errors.New("second"))} {
		sum.Add(found)
	}
	if want := (Summary{Errors: 2, Warnings: 2, Worst: first.Err}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
}
