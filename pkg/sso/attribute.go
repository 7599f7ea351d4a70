package sso

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/plugin"
)

// Attribute is one thing told to an application (requirement R53). A
// configuration may write just its name. Values go through Map, then Format,
// then Join.
type Attribute struct {
	// Name is that of a value of the account or of an attribute of the
	// directory: see account.Account.Values.
	Name string `json:"name,omitempty"`
	// As is the name that the application is told, when it is another.
	As string `json:"as,omitempty"`
	// Value is told of everybody, under the name As, in place of a Name.
	Value string `json:"value,omitempty"`
	// Map replaces values by others, whatever the case of their letters. A
	// value that it does not have is left out, unless Unmapped is "keep".
	Map      map[string]string `json:"map,omitzero"`
	Unmapped string            `json:"unmapped,omitempty"`
	// Format is "date:" and the 2nd of January 2006 as dates are to be
	// written: "date:02/01/2006". A value that is no date is left out.
	Format string `json:"format,omitempty"`
	// Join makes one text of all values, with this between them: ";".
	Join string `json:"join,omitempty"`
}

// unmappedKeep is the other value of Unmapped than "drop", the default.
const unmappedKeep = "keep"

// Told is the name under which it is told.
func (a Attribute) Told() string { return cmp.Or(a.As, a.Name) }

// Validate reports what cannot be meant.
func (a Attribute) Validate() error {
	switch {
	case a.Name == "" && a.Value == "":
		return plugin.At("name", errors.New("is missing: name a value of the account, or give a fixed value and as"))
	case a.Name != "" && a.Value != "":
		return plugin.At("value", errors.New("is told of everybody: give as, and not name"))
	case a.Value != "" && a.As == "":
		return plugin.At("as", errors.New("is missing: the name under which value is told"))
	case a.Value != "" && (a.Map != nil || a.Format != "" || a.Join != ""):
		return plugin.At("value", errors.New("is told as it stands, without map, format or join"))
	case a.Unmapped != "" && (a.Map == nil || a.Unmapped != "drop" && a.Unmapped != unmappedKeep):
		return plugin.At("unmapped", errors.New(`must be "drop" or "keep", and belongs to map`))
	}
	for from := range a.Map {
		for other := range a.Map {
			if from != other && strings.EqualFold(from, other) {
				return plugin.At("map", fmt.Errorf("has %q twice: the case of letters does not count", strings.ToLower(from)))
			}
		}
	}
	if a.Format != "" && !datesApart(a.Format) {
		return plugin.At("format", errors.New(`must be "date:" and the 2nd of January 2006 as dates are to be written: "date:02/01/2006"`))
	}
	return nil
}

// datesApart tells whether a format shows anything of a date: with a layout of
// another language, "dd/MM/yyyy", all would look the same.
func datesApart(format string) bool {
	layout, ok := strings.CutPrefix(format, dateFormat)
	a, b := time.Date(2011, 10, 19, 0, 0, 0, 0, time.UTC), time.Date(2024, 12, 28, 0, 0, 0, 0, time.UTC)
	return ok && a.Format(layout) != b.Format(layout)
}

const dateFormat = "date:"

// release is what is told of an account; nothing where there is no value.
func (a Attribute) release(of account.Account) (Told, bool) {
	told := Told{Name: a.Told(), Single: a.Value != "" || a.Join != "" || account.IsOwn(a.Name)}
	if a.Value != "" {
		told.Values = []string{a.Value}
		return told, true
	}
	for _, value := range of.Values(a.Name) {
		value, ok := a.mapped(value)
		if ok {
			value, ok = a.formatted(value)
		}
		if ok {
			told.Values = append(told.Values, value)
		}
	}
	if a.Join != "" && len(told.Values) > 0 {
		told.Values = []string{strings.Join(told.Values, a.Join)}
	}
	return told, len(told.Values) > 0
}

func (a Attribute) mapped(value string) (string, bool) {
	if a.Map == nil {
		return value, true
	}
	for from, to := range a.Map {
		if strings.EqualFold(from, value) {
			return to, true
		}
	}
	return value, a.Unmapped == unmappedKeep
}

func (a Attribute) formatted(value string) (string, bool) {
	layout, ok := strings.CutPrefix(a.Format, dateFormat)
	if !ok {
		return value, true
	}
	date, err := account.ParseDate(value)
	if err != nil {
		return "", false
	}
	return date.In(time.UTC).Format(layout), true
}
