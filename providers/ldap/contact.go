package ldap

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
)

// contacts collects the rescue addresses in the order of the schema
// (requirement R20), without the institution's own and without those that no
// message could be sent to.
func (d *dir) contacts(e entry) []account.Contact {
	names := d.schema.Attributes
	var out []account.Contact
	add := func(c account.Contact, ok bool) {
		same := func(o account.Contact) bool { return o.Kind == c.Kind && strings.EqualFold(o.Value, c.Value) }
		if ok && !slices.ContainsFunc(out, same) {
			out = append(out, c)
		}
	}
	for _, where := range names.Emails {
		label, values := e.at(where)
		for _, v := range values {
			address, ok := d.readContact(account.Email, v)
			add(account.Contact{Kind: account.Email, Value: address, Label: label}, ok && !d.Own("", address))
		}
	}
	for _, where := range names.Phones {
		label, values := e.at(where)
		for _, v := range values {
			number, ok := d.readContact(account.Phone, v)
			add(account.Contact{Kind: account.Phone, Value: number, Label: label}, ok)
		}
	}
	return out
}

// A place is "attribute" or "attribute{LABEL}".

func attributeOf(where string) string {
	attribute, _, _ := strings.Cut(where, "{")
	return attribute
}

// labelOf is the label with its braces, empty for a place without one.
func labelOf(where string) string { return where[len(attributeOf(where)):] }

// contactLabel is what a contact says of its place.
func contactLabel(where string) string {
	if label := labelOf(where); label != "" {
		return strings.Trim(label, "{}")
	}
	return where
}

// at reads a place and says what to call it.
func (e entry) at(where string) (label string, values []string) {
	if labelOf(where) == "" {
		return where, e.all(where)
	}
	return contactLabel(where), e.labelled(attributeOf(where), labelOf(where))
}

// readContact is a contact's value in the one form that is used of it.
func (d *dir) readContact(kind account.ContactKind, value string) (string, bool) {
	if kind == account.Phone {
		return d.phone(value)
	}
	return emailAddress(value)
}

// emailAddress accepts one bare address (RFC 5322 addr-spec), nothing around
// it: what stands in a directory may not become two recipients.
func emailAddress(value string) (string, bool) {
	value = strings.TrimSpace(value)
	parsed, err := mail.ParseAddress(value)
	if err != nil || parsed.Address != value {
		return "", false
	}
	return value, true
}

// within reports whether an address is in one of the domains or below it.
func within(address string, domains []string) bool {
	host := strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
	return slices.ContainsFunc(domains, func(d string) bool {
		d = strings.ToLower(d)
		return host == d || strings.HasSuffix(host, "."+d)
	})
}

// punctuation is what stands between the digits of numbers.
var punctuation = strings.NewReplacer(" ", "", ".", "", "-", "", "(0)", "", "(", "", ")", "", "\u00a0", "", "\u202f", "", "/", "")

// frenchE164 is a number in the form that no plan changes.
var frenchE164 = regexp.MustCompile(`^\+33[1-9][0-9]{8}$`)

// phone is a number in E.164, by the site's plan. One with a country code that
// the plan refuses is nevertheless a number on file, which its owner sees and
// can take away.
func (d *dir) phone(value string) (string, bool) {
	if frenchE164.MatchString(value) { // whatever the plan says; to ask it costs more than all else of an entry
		return value, true
	}
	if number, err := d.mobile(value); err == nil {
		return number, true
	}
	number := punctuation.Replace(value)
	if rest, ok := strings.CutPrefix(number, "00"); ok {
		number = "+" + rest
	}
	digits, ok := strings.CutPrefix(number, "+")
	if !ok || len(digits) < 8 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return number, true
}
