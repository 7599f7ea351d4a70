package account

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Date is a calendar date, without a time or a zone. The zero Date is unknown.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ErrDate is wrapped by the errors of ParseDate.
var ErrDate = errors.New("not a calendar date")

// ParseDate reads a date as directories write it (2005-03-14, 20050314,
// 14/03/2005, generalizedTime) or as people type it (14/3/2005, 14-3-2005,
// 14.3.2005, 14032005): requirement R4. Eight digits are never ambiguous, since
// no month is called 19 or 20.
func ParseDate(text string) (Date, error) {
	text = strings.TrimSpace(text)
	// Of a generalizedTime (RFC 4517 section 3.3.13) the day counts.
	if len(text) >= 11 && (strings.HasSuffix(text, "Z") || strings.ContainsAny(text[8:], "+-")) && digitsOnly(text[:10]) {
		text = text[:8]
	}
	layouts := []string{"2006-01-02", "2/1/2006", "2-1-2006", "2.1.2006", "2 1 2006"}
	if len(text) == 8 && digitsOnly(text) {
		layouts = []string{"20060102", "02012006"}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1850 && t.Year() < 2200 {
			return Date{t.Year(), t.Month(), t.Day()}, nil
		}
	}
	return Date{}, ErrDate // without the text: it may be a fact about a person
}

func digitsOnly(text string) bool {
	return strings.Trim(text, "0123456789") == ""
}

// IsZero reports whether the date is unknown.
func (d Date) IsZero() bool { return d == Date{} }

// String is the date as ISO 8601 writes it, empty for an unknown one.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// DateOf is the date of an instant in Place.
func DateOf(t time.Time) Date {
	year, month, day := t.In(Place).Date()
	return Date{year, month, day}
}

// Last is the last second of the date in Place: an end date is inclusive
// (requirement R11).
func (d Date) Last() time.Time { return d.In(Place).AddDate(0, 0, 1).Add(-time.Second) }

// Before reports whether the date is earlier than another one.
func (d Date) Before(other Date) bool { return d.In(time.UTC).Before(other.In(time.UTC)) }

// AddDays is so many days on.
func (d Date) AddDays(n int) Date { return DateOf(d.In(Place).AddDate(0, 0, n)) }

// AddMonths is the same day so many months on. Of the last day of a month, and
// where a month is too short, it is the last one: six months after 30 June are
// over on 31 December.
func (d Date) AddMonths(n int) Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	day := first.AddDate(0, 1, -1).Day()
	if d.AddDays(1).Day != 1 {
		day = min(day, d.Day)
	}
	return Date{first.Year(), first.Month(), day}
}

// In is the first instant of the date in a place.
func (d Date) In(place *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, place)
}

// UnmarshalJSON reads a date of a configuration: "2026-09-01".
func (d *Date) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New(`must be a date like "2026-09-01"`)
	}
	if text == "" { // as MarshalJSON writes an unknown one
		*d = Date{}
		return nil
	}
	parsed, err := ParseDate(text)
	if err != nil {
		return errors.New(`must be a date like "2026-09-01"`)
	}
	*d = parsed
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }
