package sso

import "github.com/loge-idp/loge/pkg/account"

// Adder is implemented by the configurations of protocols that take
// applications which several protocols share: an application is then written
// once, and what holds for it on one holds on the other.
type Adder interface {
	// Add takes one application as JSON, strictly, and returns the place under
	// which errors of Open will name it: "clients[3]".
	Add(application []byte) (place string, err error)
}

// Found is an application as a protocol knows it.
type Found struct {
	RelyingParty
	// Rule is what in the configuration it was found by: "prefix https://…".
	Rule string
	// Told is all that it would be told of an account, the name of the account
	// included, as the protocol writes it.
	Told func(a account.Account) []Told
}

// Finder is implemented by protocols that can say which application is meant
// by what it shows in a request: its service URL, or its client identifier. The
// error says why it is nobody's. For the doctor.
type Finder interface {
	Find(application string) (Found, error)
}

// Comparer is implemented by protocols in which an application shows a URL
// twice, which must be the same. Difference is empty when it is, and otherwise
// says where they part.
type Comparer interface {
	Difference(first, second string) string
}
