package ldap_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// fake is a server that answers as it is told, by the tag of the request; nil
// is no answer at all.
type fake struct {
	url         string
	connections atomic.Int64
}

type answers map[ber.Tag]func(id int64) []byte

func startFake(t *testing.T, script answers) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{url: "ldap://" + l.Addr().String()}
	var open sync.WaitGroup
	t.Cleanup(func() { l.Close(); open.Wait() })
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.connections.Add(1)
			t.Cleanup(func() { c.Close() })
			open.Go(func() {
				defer c.Close()
				for {
					p, err := ber.ReadPacket(c)
					if err != nil || len(p.Children) < 2 {
						io.Copy(io.Discard, c) // TLS, for instance: no word to it
						return
					}
					say := script[p.Children[1].Tag]
					if say == nil {
						continue
					}
					reply := say(p.Children[0].Value.(int64))
					if reply == nil { // hang up
						return
					}
					c.Write(reply)
				}
			})
		}
	})
	return f
}

// ends is a plain LDAPResult.
func ends(tag ber.Tag, code int64, text string) func(id int64) []byte {
	return func(id int64) []byte { return message(id, tag, code, text) }
}

func hangUp(int64) []byte { return nil }

func message(id int64, tag ber.Tag, code int64, text string, more ...*ber.Packet) []byte {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, ""))
	for _, m := range more {
		op.AppendChild(m)
	}
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m.Bytes()
}

// bound answers every bind with success.
var bound = ends(goldap.ApplicationBindResponse, 0, "")

// referralEntry is an entry that says to look elsewhere (RFC 3296).
func referralEntry(dn, url string) *goldap.AddRequest {
	entry := goldap.NewAddRequest(dn, []goldap.Control{goldap.NewControlManageDsaIT(true)})
	entry.Attribute("objectClass", []string{"referral", "extensibleObject"})
	entry.Attribute("uid", []string{strings.TrimPrefix(strings.Split(dn, ",")[0], "uid=")})
	entry.Attribute("ref", []string{url})
	return entry
}
