package ldapserver

import (
	"strconv"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// page is what a search asks for of its results (RFC 2696). Nothing is kept
// between two pages: the cookie is the number of the last entry sent, and
// entries are numbered as they are added.
type page struct {
	size  int64
	after int64
}

// pageOf reads the paging control of a message, nil when there is none.
func pageOf(message *ber.Packet) *page {
	if len(message.Children) < 3 {
		return nil
	}
	for _, control := range message.Children[2].Children {
		if text(part(control, 0)) != goldap.ControlTypePaging {
			continue
		}
		value, err := ber.DecodePacketErr([]byte(text(control.Children[len(control.Children)-1])))
		if err != nil {
			panic(malformed)
		}
		p := &page{size: number(part(value, 0))}
		if cookie := text(part(value, 1)); cookie != "" {
			if p.after, err = strconv.ParseInt(cookie, 10, 64); err != nil {
				panic(malformed)
			}
		}
		return p
	}
	return nil
}

// reply is the control of the answer; last is the number of the last entry
// sent, 0 when no page follows.
func (p *page) reply(last int64) *ber.Packet {
	cookie := ""
	if last != 0 {
		cookie = strconv.FormatInt(last, 10)
	}
	value := ber.NewSequence("")
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, "")) // how many there are is not told
	value.AppendChild(octetString(cookie))
	control := ber.NewSequence("")
	control.AppendChild(octetString(goldap.ControlTypePaging))
	control.AppendChild(octetString(string(value.Bytes())))
	return control
}
