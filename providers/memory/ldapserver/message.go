package ldapserver

import (
	"errors"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// malformed is what the readers below panic with, as encoding/json does: a
// message that is not LDAP ends its connection, wherever that is noticed.
var malformed = errors.New("malformed message")

func part(p *ber.Packet, i int) *ber.Packet {
	if i >= len(p.Children) {
		panic(malformed)
	}
	return p.Children[i]
}

// text is an octet string, whatever its tag.
func text(p *ber.Packet) string {
	if p.TagType != ber.TypePrimitive {
		panic(malformed)
	}
	return p.Data.String()
}

func number(p *ber.Packet) int64 {
	n, err := ber.ParseInt64(p.Data.Bytes())
	if err != nil || p.TagType != ber.TypePrimitive {
		panic(malformed)
	}
	return n
}

// demanding reports whether a control is critical that is not known for the
// request.
func demanding(request ber.Tag, controls *ber.Packet) bool {
	return slices.ContainsFunc(controls.Children, func(c *ber.Packet) bool {
		if request == goldap.ApplicationSearchRequest && text(part(c, 0)) == goldap.ControlTypePaging {
			return false
		}
		return len(c.Children) > 1 && c.Children[1].ClassType == ber.ClassUniversal &&
			c.Children[1].Tag == ber.TagBoolean && number(c.Children[1]) != 0
	})
}

// responses are the tags of answers by those of requests.
var responses = map[ber.Tag]ber.Tag{
	goldap.ApplicationBindRequest:     goldap.ApplicationBindResponse,
	goldap.ApplicationSearchRequest:   goldap.ApplicationSearchResultDone,
	goldap.ApplicationModifyRequest:   goldap.ApplicationModifyResponse,
	goldap.ApplicationAddRequest:      goldap.ApplicationAddResponse,
	goldap.ApplicationDelRequest:      goldap.ApplicationDelResponse,
	goldap.ApplicationModifyDNRequest: goldap.ApplicationModifyDNResponse,
	goldap.ApplicationExtendedRequest: goldap.ApplicationExtendedResponse,
	goldap.ApplicationCompareRequest:  goldap.ApplicationCompareResponse,
}

// result is an LDAPResult (RFC 4511 section 4.1.9); value is only for
// extended responses.
type result struct {
	code  uint16
	text  string
	value *string // of an extended operation; nil for none
	// control goes with the answer, when there is one.
	control *ber.Packet
}

func (r result) encode(id int64, tag ber.Tag) []byte {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(r.code), ""))
	op.AppendChild(octetString(""))
	op.AppendChild(octetString(r.text))
	if r.value != nil {
		op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, *r.value, ""))
	}
	return envelope(id, op, r.control)
}

func envelope(id int64, op, control *ber.Packet) []byte {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	if control != nil {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		controls.AppendChild(control)
		m.AppendChild(controls)
	}
	return m.Bytes()
}

func octetString(value string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, value, "")
}

// encode writes a search result entry with the attributes that were asked for,
// or their names only (RFC 4511 sections 4.5.1.7 and 4.5.1.8).
func (o *object) encode(id int64, wanted []string, typesOnly bool) []byte {
	list := ber.NewSequence("")
	for _, a := range o.attributes {
		if len(wanted) == 0 || slices.Contains(wanted, "*") || asked(wanted, a.name) {
			list.AppendChild(a.encode(typesOnly))
		}
	}
	for _, a := range o.operational {
		if slices.Contains(wanted, "+") || asked(wanted, a.name) {
			list.AppendChild(a.encode(typesOnly))
		}
	}
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octetString(o.dn))
	op.AppendChild(list)
	return envelope(id, op, nil)
}

func asked(wanted []string, name string) bool {
	return slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, name) })
}

func (a attribute) encode(typeOnly bool) *ber.Packet {
	values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	if !typeOnly {
		for _, v := range a.values {
			values.AppendChild(octetString(v))
		}
	}
	p := ber.NewSequence("")
	p.AppendChild(octetString(a.name))
	p.AppendChild(values)
	return p
}
