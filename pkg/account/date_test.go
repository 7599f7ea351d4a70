package account_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/loge-idp/loge/pkg/account"
)

// R4: a birth date is a calendar date, whatever its format.
func TestParseDate(t *testing.T) {
	march := account.Date{Year: 2005, Month: time.March, Day: 14}
	for _, text := range []string{
		"2005-03-14", "20050314", "14/03/2005", "14/3/2005", "14-3-2005", "14-03-2005", "14.3.2005", "14 3 2005", "14032005", " 14/03/2005\n",
		"20050314000000Z", "2005031400Z", "20050314235959Z", "20050314000000.0Z", "20050314000000+0100", "20050314000000-0500",
	} {
		if got, err := account.ParseDate(text); err != nil || got != march {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]account.Date{
		"29/02/2004": {Year: 2004, Month: 2, Day: 29}, "01/12/1999": {Year: 1999, Month: 12, Day: 1}, "19121950": {Year: 1950, Month: 12, Day: 19},
		"19500112": {Year: 1950, Month: 1, Day: 12}, "2/1/1950": {Year: 1950, Month: 1, Day: 2},
	} {
		if got, err := account.ParseDate(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "2005", "2005-3", "14/03/05", "31/02/2005", "29/02/2005", "00/01/2005", "14/13/2005", "2005/03/14", "03/14/2005", "14th of March",
		"2005-03-14x", "14/03/2005 10:00", "99999999", "00000000", "18491231", "01012200", "-2005-03-14", "٢٠٠٥٠٣١٤",
	} {
		if got, err := account.ParseDate(text); !errors.Is(err, account.ErrDate) || !got.IsZero() {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

func TestDate(t *testing.T) {
	d := account.Date{Year: 2026, Month: 3, Day: 9}
	if d.String() != "2026-03-09" || (account.Date{}).String() != "" || d.IsZero() || !(account.Date{}).IsZero() {
		t.Errorf("%q, %q", d, account.Date{})
	}
	if got := d.In(account.Place); got != paris("2026-03-09 00:00:00") {
		t.Error(got)
	}
	for _, want := range []account.Date{d, {}} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got account.Date
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("%s is read as %v, %v", text, got, err)
		}
	}
	if err := json.Unmarshal([]byte(`"31/02/2026"`), &d); err == nil || d.IsZero() {
		t.Errorf("%v, %v", d, err)
	}
}

// R4: whatever is read as a date is written so that it is read again.
func FuzzParseDate(f *testing.F) {
	f.Add("2005-03-14")
	f.Add("20050314000000Z")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := account.ParseDate(text)
		if err != nil {
			return
		}
		if again, err := account.ParseDate(d.String()); err != nil || again != d {
			t.Errorf("%q is %v, which is %v, %v", text, d, again, err)
		}
	})
}

// R11, R13: a last day so many months on.
func TestAddMonths(t *testing.T) {
	for _, c := range []struct {
		from   string
		months int
		want   string
	}{
		{"2026-06-30", 6, "2026-12-31"},
		{"2026-12-31", 2, "2027-02-28"},
		{"2027-02-28", 6, "2027-08-31"},
		{"2027-02-28", 12, "2028-02-29"},
		{"2026-09-15", 12, "2027-09-15"},
		{"2027-01-30", 1, "2027-02-28"},
		{"2026-11-29", 3, "2027-02-28"},
		{"2026-10-24", 1, "2026-11-24"},
	} {
		from, err := account.ParseDate(c.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := from.AddMonths(c.months).String(); got != c.want {
			t.Errorf("%s and %d months: %s, want %s", c.from, c.months, got, c.want)
		}
	}
}
