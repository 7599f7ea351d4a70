package ldap

import (
	"net/mail"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/account"
)

// contacts collects the rescue addresses in the order of the schema
// (requirement R20), without the institution's own and without those that no
// message could be sent to.
func contacts(names Attributes, ownDomains []string, e entry) []account.Contact {
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
			address, ok := readContact(account.Email, v)
			add(account.Contact{Kind: account.Email, Value: address, Label: label}, ok && !within(address, ownDomains))
		}
	}
	for _, where := range names.Phones {
		label, values := e.at(where)
		for _, v := range values {
			number, ok := readContact(account.Phone, v)
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
func readContact(kind account.ContactKind, value string) (string, bool) {
	if kind == account.Phone {
		return phoneNumber(value)
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

// overseas are the French numbers whose country code is not 33, by the first
// digits of the national number (ARCEP numbering plan).
var overseas = map[string]string{
	"0262": "262", "0263": "262", "0269": "262", "0692": "262", "0693": "262",
	"0590": "590", "0690": "590", "0691": "590",
	"0594": "594", "0694": "594",
	"0596": "596", "0696": "596", "0697": "596",
}

// punctuation is what stands between the digits of numbers.
var punctuation = strings.NewReplacer(" ", "", ".", "", "-", "", "(0)", "", "\u00a0", "", "\u202f", "", "/", "")

// phoneNumber turns what is written in a directory into E.164. A number
// without a country code is read as French.
func phoneNumber(value string) (string, bool) {
	number := punctuation.Replace(value)
	switch {
	case strings.HasPrefix(number, "00"):
		number = "+" + number[2:]
	case len(number) == 10 && number[0] == '0':
		code, ok := overseas[number[:4]]
		if !ok {
			code = "33"
		}
		number = "+" + code + number[1:]
	}
	digits, ok := strings.CutPrefix(number, "+")
	if !ok || len(digits) < 8 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return number, true
}
