package sms

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"

	"github.com/loge-idp/loge/pkg/plugin"
)

// Plan is which numbers a site sends to. The zero Plan is France, overseas
// included.
type Plan struct {
	// Home are the regions (ISO 3166-1) in which a number without a country
	// code is looked for, the first one first: a site on La Réunion puts RE in
	// front, for many numbers exist in several. Default FR, RE, GP, MQ, GF, YT,
	// NC, PF.
	Home []string `json:"home"`
	// Countries are the regions that messages go to; whatever is not named is
	// refused, since toll fraud is a message to an expensive country
	// (R-REC-14). Default those of Home and the other ones of France.
	Countries []string `json:"countries"`
}

// ErrNumber is wrapped when a number cannot be sent to.
var ErrNumber = errors.New("sms: not the number of a mobile that messages go to")

// ErrCountry says that it is a mobile, of a country that messages do not go to.
// It wraps ErrNumber.
var ErrCountry = fmt.Errorf("%w: its country is not among those allowed", ErrNumber)

// home and elsewhere are France: each has its own numbers, and "0692…" is none
// of FR.
var (
	home      = []string{"FR", "RE", "GP", "MQ", "GF", "YT", "NC", "PF"}
	elsewhere = []string{"BL", "MF", "PM", "WF"}
)

// fiction is the range that Arcep keeps for fiction: it is nobody's, and what
// the demonstration and the tests send to.
var fiction = regexp.MustCompile(`^\+3363998[0-9]{4}$`)

// Check refuses what is not a region. The error is of type *plugin.Error.
func (p Plan) Check() error {
	known := phonenumbers.GetSupportedRegions()
	for _, list := range []struct {
		key     string
		regions []string
	}{{"home", p.Home}, {"countries", p.Countries}} {
		for i, region := range list.regions {
			if !known[region] {
				return plugin.At(fmt.Sprintf("%s[%d]", list.key, i), errors.New(`must be a region of ISO 3166-1, like "FR" or "RE"`))
			}
		}
	}
	return nil
}

// Mobile returns the number in E.164, however a directory writes it. It must
// be that of a mobile in one of the Countries: fixed lines cannot read, and
// premium, shared-cost, voice-over-IP and satellite numbers cost. Where a
// country's mobiles cannot be told from its fixed lines it is taken. Else the
// error is ErrCountry or wraps ErrNumber.
func (p Plan) Mobile(written string) (string, error) {
	regions := p.Home
	if len(regions) == 0 {
		regions = home
	}
	// The library reads letters as those on the keys, and an extension is a
	// telephone inside a house.
	if strings.ContainsFunc(written, unicode.IsLetter) || strings.ContainsAny(written, ";#") {
		return "", ErrNumber
	}
	written = strings.Join(strings.Fields(written), " ") // the library knows few spaces
	if d := digits(written); len(d) == 10 && strings.HasPrefix(d, "0508") {
		written = "+508" + d[4:] // as Saint-Pierre-et-Miquelon is dialled in all of France
	}
	for _, region := range regions {
		number, err := phonenumbers.Parse(written, region)
		if err != nil {
			continue
		}
		text := phonenumbers.Format(number, phonenumbers.E164)
		if fiction.MatchString(text) && p.reaches("FR") {
			return text, nil
		}
		if !phonenumbers.IsValidNumber(number) {
			continue
		}
		kind := phonenumbers.GetNumberType(number)
		if kind != phonenumbers.MOBILE && kind != phonenumbers.FIXED_LINE_OR_MOBILE {
			return "", ErrNumber
		}
		if !p.reaches(phonenumbers.GetRegionCodeForNumber(number)) {
			return "", ErrCountry
		}
		return text, nil
	}
	return "", ErrNumber
}

func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

func (p Plan) reaches(region string) bool {
	if len(p.Countries) > 0 {
		return slices.Contains(p.Countries, region)
	}
	return slices.Contains(p.Home, region) || slices.Contains(home, region) || slices.Contains(elsewhere, region)
}
