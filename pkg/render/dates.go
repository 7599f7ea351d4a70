package render

import (
	"fmt"
	"strings"
	"time"
)

// Dates are written by hand in the two languages shipped: the rules are few,
// and clock times are what an anxious person reads first. Other languages get
// the English forms with a 24-hour clock, which are unambiguous everywhere.

const nbsp = "\u00a0"

var months = strings.Fields("janvier février mars avril mai juin juillet août septembre octobre novembre décembre")

var jours = strings.Fields("dimanche lundi mardi mercredi jeudi vendredi samedi")

// clock is a time of day: "10 h 42", "10:42".
func clock(lang string, t time.Time) string {
	if lang != "fr" {
		return t.Format("15:04")
	}
	return fmt.Sprintf("%d"+nbsp+"h"+nbsp+"%02d", t.Hour(), t.Minute())
}

// hour is a time of day as opening hours are spoken: "18 h", "18:00".
func hour(lang string, t time.Time) string {
	return strings.TrimSuffix(clock(lang, t), nbsp+"00")
}

// day is a date: "31 décembre 2026", "31 December 2026".
func day(lang string, t time.Time) string {
	if lang != "fr" {
		return t.Format("2" + nbsp + "January 2006")
	}
	number := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		number = "1er"
	}
	return number + nbsp + months[t.Month()-1] + " " + fmt.Sprint(t.Year())
}

// weekday is "lundi", "Monday".
func weekday(lang string, t time.Time) string {
	if lang != "fr" {
		return t.Weekday().String()
	}
	return jours[t.Weekday()]
}
