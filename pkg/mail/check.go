package mail

import (
	"fmt"
	"net/mail"
	"strings"
)

// Check refuses a message that could say something else on the wire than it
// says here: several recipients, or a header smuggled in by a line break.
func (m Message) Check() error {
	if strings.ContainsAny(m.To, "\r\n\x00") || strings.ContainsAny(m.Subject, "\r\n\x00") || strings.ContainsAny(m.ID, "\r\n\x00<>@ ") {
		return fmt.Errorf("%w: a line break in a header", ErrRefused)
	}
	if m.Mark != "" && !mark.MatchString(m.Mark) {
		return fmt.Errorf("%w: the mark is not of small letters and digits", ErrRefused)
	}
	parsed, err := mail.ParseAddress(m.To)
	if err != nil || parsed.Address != m.To || parsed.Name != "" || strings.Count(m.To, "@") != 1 {
		return fmt.Errorf("%w: the recipient is not one plain address", ErrRefused)
	}
	return nil
}
