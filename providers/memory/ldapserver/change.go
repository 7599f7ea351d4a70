package ldapserver

import (
	"errors"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// outcome is the result that an error stands for.
func outcome(err error) result {
	var f *failure
	switch {
	case err == nil:
		return result{}
	case errors.As(err, &f):
		return result{code: f.code, text: f.text}
	}
	return result{code: goldap.LDAPResultOther}
}

var forbidden = result{code: goldap.LDAPResultInsufficientAccessRights}

// modify changes one entry, all of it or nothing (RFC 4511 section 4.6).
func (s *session) modify(request *ber.Packet) result {
	if !s.may(s.server.writers) {
		return forbidden
	}
	tree := s.server.tree
	return outcome(tree.change(text(part(request, 0)), func(o *object) error {
		for _, c := range part(request, 1).Children {
			operation, name, values := number(part(c, 0)), text(part(part(c, 1), 0)), []string(nil)
			for _, v := range part(part(c, 1), 1).Children {
				values = append(values, text(v))
			}
			if err := tree.acceptable(name, values); err != nil {
				return err
			}
			if err := tree.edit(o, operation, name, values); err != nil {
				return err
			}
		}
		return tree.keepsName(o)
	}))
}

// edit does one modification on a copy of an entry.
func (t *tree) edit(o *object, operation int64, name string, values []string) error {
	stored := o.values(name)
	if strings.EqualFold(name, "userPassword") {
		stored = o.passwords
	}
	index := func(value string) int {
		want, _ := t.schema.prepare(t.schema.of(name), value)
		return slices.IndexFunc(stored, func(v string) bool {
			have, _ := t.schema.prepare(t.schema.of(name), v)
			return have == want
		})
	}
	switch operation {
	case goldap.ReplaceAttribute:
		stored = values
	case goldap.AddAttribute:
		for _, v := range values {
			if index(v) >= 0 {
				return &failure{goldap.LDAPResultAttributeOrValueExists, name}
			}
			stored = append(stored, v)
		}
	case goldap.DeleteAttribute:
		if len(stored) == 0 {
			return &failure{goldap.LDAPResultNoSuchAttribute, name}
		}
		for _, v := range values {
			i := index(v)
			if i < 0 {
				return &failure{goldap.LDAPResultNoSuchAttribute, name}
			}
			stored = slices.Delete(stored, i, i+1)
		}
		if len(values) == 0 {
			stored = nil
		}
	default:
		return &failure{goldap.LDAPResultProtocolError, "no such kind of change"}
	}
	o.set(name, stored)
	return nil
}

// keepsName checks that the values in an entry's own name are still in it.
func (t *tree) keepsName(o *object) error {
	parsed, err := goldap.ParseDN(o.dn)
	if err != nil {
		return err
	}
	for _, a := range parsed.RDNs[0].Attributes {
		if t.schema.equals(a.Type, o.values(a.Type), a.Value) != yes {
			return &failure{goldap.LDAPResultNotAllowedOnRDN, a.Type}
		}
	}
	return nil
}

func (s *session) add(request *ber.Packet) result {
	if !s.may(s.server.writers) {
		return forbidden
	}
	r := record{dn: text(part(request, 0))}
	if !s.server.tree.hasParent(r.dn) {
		return result{code: goldap.LDAPResultNoSuchObject, text: "there is nothing that it would be below"}
	}
	for _, a := range part(request, 1).Children {
		for _, v := range part(a, 1).Children {
			r.add(text(part(a, 0)), text(v))
		}
	}
	return outcome(s.server.tree.add(r))
}

func (s *session) del(request *ber.Packet) result {
	if !s.may(s.server.writers) {
		return forbidden
	}
	return outcome(s.server.tree.remove(text(request)))
}

// rename gives a leaf another name below the same parent (RFC 4511 section
// 4.9).
func (s *session) rename(request *ber.Packet) result {
	if !s.may(s.server.writers) {
		return forbidden
	}
	if len(request.Children) > 3 {
		return result{code: goldap.LDAPResultUnwillingToPerform, text: "entries are not moved to another parent"}
	}
	tree := s.server.tree
	rdn, deleteOld := text(part(request, 1)), number(part(request, 2)) != 0
	parsed, err := goldap.ParseDN(rdn)
	if err != nil || len(parsed.RDNs) != 1 {
		return result{code: goldap.LDAPResultInvalidDNSyntax}
	}
	return outcome(tree.change(text(part(request, 0)), func(o *object) error {
		if tree.hasChildren(o.key) {
			return &failure{goldap.LDAPResultNotAllowedOnNonLeaf, ""}
		}
		old, err := goldap.ParseDN(o.dn)
		if err != nil {
			return err
		}
		if deleteOld {
			for _, a := range old.RDNs[0].Attributes {
				if err := tree.edit(o, goldap.DeleteAttribute, a.Type, []string{a.Value}); err != nil {
					return err
				}
			}
		}
		o.dn = rdn
		if len(old.RDNs) > 1 {
			o.dn += "," + (&goldap.DN{RDNs: old.RDNs[1:]}).String()
		}
		tree.named(o)
		return tree.place(o)
	}))
}
