package recovery

import (
	"fmt"
	"time"
)

// Preset is a rule from outside that a site keeps to.
type Preset string

// ASVSL2 is level 2 of OWASP ASVS 5.0: what is sent is good for ten minutes at
// the most, links included (6.5.5). What is printed or handed over in person is
// not sent.
const ASVSL2 Preset = "asvs-l2"

// Check refuses what is no preset.
func (p Preset) Check() error {
	if p != "" && p != ASVSL2 {
		return fmt.Errorf("no preset is called %q; known: %s", p, ASVSL2)
	}
	return nil
}

// terms are those of a method, as far as the preset allows them.
func (f *Flow) terms(m Method, p Purpose) Terms {
	t := m.Terms(p)
	if f.Preset == ASVSL2 && sends(m) {
		const most = 10 * time.Minute
		t.Link, t.Code = min(t.Link, most), min(t.Code, most)
	}
	return t
}
