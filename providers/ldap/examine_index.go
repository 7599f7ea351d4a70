package ldap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// Of a look-up without an index, for which the server reads every entry.
const (
	slowLookup = time.Millisecond
	slowerThan = 5 // times what it is compared with
	// atOnce is how many values are also looked for in one search: without an
	// index each entry is compared with all of them.
	atOnce = 32
	// A busy machine makes anything slow once: so many tries are made, and
	// more in so much time while none of them was quick.
	lookupTries = 5
	lookupTime  = 200 * time.Millisecond
)

// indexed says which look-ups make the server read every entry. That can only
// be seen by the time it takes, so a small directory never shows it. One value
// is compared with the reading of one entry, many with the same by other
// attributes.
func (x *examination) indexed() {
	one, _ := x.fastest(x.look(x.base, "(objectClass=*)", "1.1"), slowLookup)
	many, quickest := map[lookup]time.Duration{}, x.timeout
	var slow []string
	found := func(l lookup, took time.Duration) {
		slow = append(slow, fmt.Sprintf("%s (%d ms)", l.attribute, took.Milliseconds()))
	}
	for _, l := range x.lookups() {
		took, err := x.fastest(x.request(l.filter(nobodys(0))), slowLookup)
		if err == nil && took > slowLookup && took > slowerThan*one {
			found(l, took)
			continue
		}
		if err == nil {
			many[l], err = x.fastest(x.request(l.many()), 2*slowLookup)
			quickest = min(quickest, many[l])
		}
		if err != nil { // some servers say that they will not read all entries, others are not done in time
			slow = append(slow, l.attribute)
		}
	}
	for l, took := range many {
		if took > 2*slowLookup && took > slowerThan*quickest {
			found(l, took)
		}
	}
	slices.Sort(slow)
	mend := "index for equality, on the server: " + strings.Join(slow, ", ")
	for _, l := range x.lookup {
		isSlow := slices.ContainsFunc(slow, func(s string) bool { return strings.HasPrefix(s, l.attribute) })
		if isSlow && l.rule != "" && l.rule != usualCases {
			mend = "write :usualCases in place of :" + l.rule + ", which no index serves; " + mend
		}
	}
	x.say(len(slow) == 0, "look-ups use an index", mend)
}

// lookups are those by which accounts are found.
func (x *examination) lookups() []lookup {
	all := append(slices.Clone(x.lookup), lookup{attribute: x.schema.Attributes.ID})
	for _, where := range x.searched.exact {
		l := lookup{attribute: attributeOf(where)}
		if !slices.ContainsFunc(all, func(o lookup) bool { return o.attribute == l.attribute }) {
			all = append(all, l)
		}
	}
	return all
}

// many is the filter for many values.
func (l lookup) many() string {
	if l.rule == usualCases { // which are several each
		l.rule = ""
	}
	var any strings.Builder
	for i := range atOnce {
		any.WriteString(l.filter(nobodys(i)))
	}
	return "(|" + any.String() + ")"
}

// nobodys is a value that nobody has, of 16 bytes: an objectGUID too.
func nobodys(i int) string { return fmt.Sprintf("nobodys-%08d", i) }

// fastest is the least time that a search takes, quick enough or not.
func (x *examination) fastest(request *goldap.SearchRequest, enough time.Duration) (time.Duration, error) {
	fastest, all := x.timeout, time.Now()
	for try := 0; try < lookupTries || fastest > enough && time.Since(all) < lookupTime; try++ {
		ctx, cancel := deadline(x.ctx, x.timeout)
		began := time.Now()
		_, err := x.searches.search(ctx, request)
		cancel()
		if err != nil {
			return 0, err
		}
		fastest = min(fastest, time.Since(began))
	}
	return fastest, nil
}
