package registry

import (
	"fmt"
	"regexp"
	"strings"
)

// The attributes that every answer has (CAS 3.0.3 section 2.5.7).
const (
	AttributeDate     = "authenticationDate"
	AttributeLongTerm = "longTermAuthenticationRequestTokenUsed"
	AttributeNewLogin = "isFromNewLogin"
)

// ncName is an XML name without a colon, of the letters that every client
// knows (requirement R53).
var ncName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// checkNames refuses attributes that cannot be written or not be told apart.
func (s *Service) checkNames() error {
	taken := map[string]bool{AttributeDate: true, AttributeLongTerm: true, AttributeNewLogin: true}
	for _, each := range s.Attributes {
		name := each.Told()
		if s.Lowercase {
			name = strings.ToLower(name)
		}
		switch {
		case !ncName.MatchString(name):
			return fmt.Errorf("%q is no name in XML: give it another by as", name)
		case taken[name]:
			return fmt.Errorf("%q is told twice, or by the protocol itself: give it another name by as", name)
		}
		taken[name] = true
	}
	return nil
}
