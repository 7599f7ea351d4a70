package render

// Establishment lets somebody who belongs to several establishments say in
// which one they are now. It posts to=<value>.
type Establishment struct {
	Frame
	Current string // its name; empty when none is
	Others  []Choice
	// Changed is set once it was: the page leads on to Portal, or to that of the
	// site.
	Changed bool
	Portal  string
	// Farewells are as of LoggedOut.
	Farewells []string
}

// Choice is one value and what people call it.
type Choice struct{ Value, Name string }

// Page implements View.
func (Establishment) Page() string { return "account-establishment" }

// frame lets the farewells be loaded.
func (v Establishment) frame() Frame {
	v.Frame.Embeds = v.Farewells
	return v.Frame
}

var establishmentViews = []View{Establishment{}}
