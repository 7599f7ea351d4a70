package ldap_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loge-idp/loge/providers/ldap"
	"github.com/loge-idp/loge/providers/ldap/slapdtest"

	goldap "github.com/go-ldap/ldap/v3"
)

// Connections of the pools in the comparison.
const (
	benchSearches = 2
	benchBinds    = 8
)

// bare is a login as the least code does it, on pools of the same size: no
// deadline, no account made of the entry, nothing around it.
type bare struct {
	config   ldap.Config
	next     atomic.Uint64
	searches []*goldap.Conn
	binds    chan *goldap.Conn
}

func newBare(b testing.TB, config ldap.Config) *bare {
	p := &bare{config: config, binds: make(chan *goldap.Conn, benchBinds)}
	for range benchSearches {
		c := dialURL(b, config.URLs[0])
		b.Cleanup(func() { c.Close() })
		if err := c.Bind(config.BindDN, config.BindPassword.Reveal()); err != nil {
			b.Fatal(err)
		}
		p.searches = append(p.searches, c)
	}
	for range benchBinds {
		c := dialURL(b, config.URLs[0])
		b.Cleanup(func() { c.Close() })
		p.binds <- c
	}
	return p
}

// The same question and the same answer as ours: the filter and the attributes
// of the supann preset.
const bareFilter = "(&(objectClass=supannPerson)(|(uid=%[1]s)(supannAliasLogin=%[1]s)(supannAliasLogin=Elefevre)(supannAliasLogin=ELEFEVRE)(mail=%[1]s)(eduPersonPrincipalName=%[1]s)))"

var bareAttributes = []string{
	"eduPersonUniqueId", "uid", "displayName", "givenName", "sn", "supannNomDeNaissance", "mail", "preferredLanguage",
	"supannAliasLogin", "eduPersonPrincipalName", "supannMailPrive", "supannMailPerso", "supannAutreMail", "supannTelephonePrive",
	"mobile", "pager", "supannOIDCDateDeNaissance", "schacDateOfBirth", "pwdChangedTime", "pwdUpdateTime", "sambaPwdLastSet",
	"cn", "memberOf", "eduPersonAffiliation", "eduPersonPrimaryAffiliation", "eduPersonScopedAffiliation", "eduPersonEntitlement",
	"eduPersonAssurance", "supannCivilite", "supannEtuId", "supannEmpId", "supannCodeINE", "supannEtablissement",
	"supannEntiteAffectation", "supannEntiteAffectationPrincipale", "supannListeRouge", "supannRessourceEtat",
	"supannRessourceEtatDate", "pwdAccountLockedTime", "pwdEndTime", "pwdReset",
}

func (p *bare) login() error {
	found, err := p.searches[p.next.Add(1)%benchSearches].Search(goldap.NewSearchRequest(p.config.Base, goldap.ScopeWholeSubtree, 0, 2, 0, false,
		fmt.Sprintf(bareFilter, goldap.EscapeFilter("elefevre")), bareAttributes, nil))
	if err != nil {
		return err
	}
	if len(found.Entries) != 1 {
		return errors.New("not one entry")
	}
	c := <-p.binds
	defer func() { p.binds <- c }()
	return c.Bind(found.Entries[0].DN, rightPassword)
}

// rate is how many logins a second some workers do.
func rate(b testing.TB, workers, logins int, login func() error) float64 {
	var left atomic.Int64
	left.Store(int64(logins))
	began := time.Now()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := login(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(logins) / time.Since(began).Seconds()
}

// BenchmarkLogin compares logins (search and bind) against a real slapd with a
// bare loop on pools of the same size. Short rounds of both follow each other,
// each first in turn, and what counts is the median of their ratios: whatever
// else the machine does falls on both.
func BenchmarkLogin(b *testing.B) {
	server := networks[0].slapd(b, slapdtest.Options{})
	config := networks[0].config()
	config.URLs = []string{server.URL}
	config.Pool = ldap.Pool{Searches: benchSearches, Binds: benchBinds}
	d := open(b, config)
	both := []func() error{func() error { return login(b.Context(), d) }, newBare(b, config).login}
	for _, workers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			for _, each := range both { // connections are made
				rate(b, workers, 200, each)
			}
			var rates [2][]float64
			var ratios []float64
			for round := 0; b.Loop(); round++ {
				for turn := range 2 {
					which := (round + turn) % 2
					rates[which] = append(rates[which], rate(b, workers, 100, both[which]))
				}
				ratios = append(ratios, rates[0][round]/rates[1][round])
			}
			b.ReportMetric(median(rates[0]), "loge/s")
			b.ReportMetric(median(rates[1]), "bare/s")
			b.ReportMetric(median(ratios), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }
