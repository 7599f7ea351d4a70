package ldapserver

import (
	"testing"

	"github.com/loge-idp/loge/providers/memory/fixtures"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// FuzzAnswer: whatever a client sends, the server answers or ends the
// connection.
func FuzzAnswer(f *testing.F) {
	add := func(op *ber.Packet) {
		f.Add(envelope(1, op, nil))
		f.Add(envelope(1, op, goldap.NewControlPaging(2).Encode()))
		f.Add(envelope(1, op, (&page{}).reply(3)))
	}
	for _, filter := range []string{"(uid=a)", "(&(uid=a)(|(cn=b*c)(!(x>=1))))", "(x:caseIgnoreMatch:=y)", "(uid=*)"} {
		compiled, err := goldap.CompileFilter(filter)
		if err != nil {
			f.Fatal(err)
		}
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationSearchRequest, nil, "")
		op.AppendChild(octetString(fixtures.UniversitySuffix))
		for _, n := range []int64{2, 0, 2, 0} {
			op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, n, ""))
		}
		op.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, ""))
		op.AppendChild(compiled)
		op.AppendChild(ber.NewSequence(""))
		add(op)
	}
	bind := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationBindRequest, nil, "")
	bind.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""))
	bind.AppendChild(octetString("uid=elefevre,ou=people," + fixtures.UniversitySuffix))
	bind.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, "x", ""))
	add(bind)
	for _, tag := range []ber.Tag{6, 8, 12, 16, 23} {
		op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
		op.AppendChild(octetString("uid=elefevre"))
		op.AppendChild(octetString("uid=other"))
		op.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, ""))
		add(op)
	}
	password := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationExtendedRequest, nil, "")
	password.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, passwordModifyOID, ""))
	password.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 1, "\x30\x05\x82\x03abc", ""))
	add(password)
	f.Add([]byte{0x30, 0x80, 0, 0})

	schema := ParseSchema(fixtures.Schema)
	key, _ := schema.nameKey(fixtures.WriterDN(fixtures.UniversitySuffix))
	ldif := fixtures.University(fixtures.Clock, fixtures.Services{Reader: "r", Writer: "w"})
	f.Fuzz(func(t *testing.T, data []byte) {
		packet, err := ber.DecodePacketErr(data)
		if err != nil {
			return
		}
		s := New(schema, nil, []string{fixtures.WriterDN(fixtures.UniversitySuffix)})
		if err := s.Load(ldif); err != nil {
			t.Fatal(err)
		}
		writer := &session{server: s, identity: key, dn: "cn=idp-rw"}
		out, _ := writer.answer(packet)
		for len(out) > 0 {
			p, err := ber.DecodePacketErr(out)
			if err != nil {
				t.Fatalf("the answer is not BER: %v", err)
			}
			out = out[len(p.Bytes()):]
		}
	})
}
