package render

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours is when somebody answers: by day or range of days ("mon-fri",
// "sat"), the spans of clock time, "09:00-12:00 13:30-18:00". A day that is
// not named is closed; no Hours at all means that they are not announced.
type Hours map[string]string

// Opening says whether somebody answers now and when that changes. Change is
// the zero time when nothing changes within a year.
type Opening struct {
	Open   bool
	Change time.Time
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Schedule is Hours and holidays, checked.
type Schedule struct {
	week   [7][]span
	closed []dates
}

type span struct{ from, to int } // minutes after midnight

type dates struct{ first, last string } // inclusive, as 2006-01-02: they sort

// ParseSchedule reads the hours and the closed dates: "2026-11-11" or
// "2026-12-21/2027-01-03", both ends included.
func ParseSchedule(hours Hours, closed []string) (Schedule, error) {
	var s Schedule
	for days, text := range hours {
		spans, err := parseSpans(text)
		if err != nil {
			return s, fmt.Errorf("hours.%s: %w", days, err)
		}
		first, last, ranged := strings.Cut(days, "-")
		if !ranged {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return s, fmt.Errorf("hours.%s: days are %s, or a range like mon-fri", days, strings.Join(weekdays, " "))
		}
		for day := from; ; day = (day + 1) % 7 {
			if s.week[day] != nil {
				return s, fmt.Errorf("hours.%s: %s is named twice", days, weekdays[day])
			}
			s.week[day] = spans
			if day == to {
				break
			}
		}
	}
	for _, text := range closed {
		first, last, ranged := strings.Cut(text, "/")
		if !ranged {
			last = first
		}
		for _, date := range []string{first, last} {
			if _, err := time.Parse(time.DateOnly, date); err != nil {
				return s, fmt.Errorf("closed: %q is not a date like 2026-12-24 or a span like 2026-12-21/2027-01-03", text)
			}
		}
		if last < first {
			return s, fmt.Errorf("closed: %q ends before it begins", text)
		}
		s.closed = append(s.closed, dates{first, last})
	}
	return s, nil
}

func parseSpans(text string) ([]span, error) {
	var spans []span
	for _, field := range strings.Fields(text) {
		from, to, ok := strings.Cut(field, "-")
		start, err1 := time.Parse("15:04", from)
		end, err2 := time.Parse("15:04", to)
		next := span{start.Hour()*60 + start.Minute(), end.Hour()*60 + end.Minute()}
		if !ok || err1 != nil || err2 != nil || next.to <= next.from || len(spans) > 0 && next.from <= spans[len(spans)-1].to {
			return nil, fmt.Errorf("%q is not clock times in order, like 09:00-12:00 13:30-18:00", text)
		}
		spans = append(spans, next)
	}
	return spans, nil
}

// At is the opening at an instant, in the time zone of the instant.
func (s Schedule) At(now time.Time) Opening {
	minute := now.Hour()*60 + now.Minute()
	for ahead := range 366 {
		day := time.Date(now.Year(), now.Month(), now.Day()+ahead, 0, 0, 0, 0, now.Location())
		for _, open := range s.on(day) {
			at := func(m int) time.Time {
				return time.Date(day.Year(), day.Month(), day.Day(), m/60, m%60, 0, 0, now.Location())
			}
			switch {
			case ahead == 0 && open.to <= minute:
			case ahead == 0 && open.from <= minute:
				return Opening{Open: true, Change: at(open.to)}
			default:
				return Opening{Change: at(open.from)}
			}
		}
	}
	return Opening{}
}

func (s Schedule) on(day time.Time) []span {
	date := day.Format(time.DateOnly)
	for _, c := range s.closed {
		if c.first <= date && date <= c.last {
			return nil
		}
	}
	return s.week[day.Weekday()]
}
