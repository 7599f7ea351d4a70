package ldap_test

import (
	"fmt"
	"testing"

	"github.com/loge-idp/loge/pkg/secret"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	goldap "github.com/go-ldap/ldap/v3"
)

// BenchmarkLogin is a login (search and bind) against a real slapd, beside the
// least that can be done: one search and one bind on two kept connections of
// go-ldap, by one goroutine, with nothing around them.
func BenchmarkLogin(b *testing.B) {
	n := networks[0]
	server := n.slapd(b, slapdtest.Options{})
	config := n.config()
	config.URLs = []string{server.URL}
	d := open(b, config)
	if err := login(b.Context(), d); err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		service, person := dialURL(b, server.URL), dialURL(b, server.URL)
		defer service.Close()
		defer person.Close()
		if err := service.Bind(config.BindDN, config.BindPassword.Reveal()); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			request := goldap.NewSearchRequest(config.Base, goldap.ScopeWholeSubtree, 0, 2, 0, false,
				"(uid="+goldap.EscapeFilter("elefevre")+")", []string{"uid", "mail", "displayName"}, nil)
			found, err := service.Search(request)
			if err != nil {
				b.Fatal(err)
			}
			if err := person.Bind(found.Entries[0].DN, rightPassword); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("loge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := login(b.Context(), d); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, workers := range []int{4, 16} {
		b.Run(fmt.Sprintf("loge-%d", workers), func(b *testing.B) {
			b.SetParallelism(workers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := login(b.Context(), d); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	b.Run("wrong", func(b *testing.B) {
		a, err := d.Find(b.Context(), "elefevre")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			d.Authenticate(b.Context(), a, secret.New("wrong"))
		}
	})
}
