package mail

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"regexp"
	"strings"
)

// Bounce is what came back of a message.
type Bounce struct {
	Mark string // Message.Mark of what was sent
	// Hard is set when nobody reads at the address, and nobody will: not when
	// the mailbox is full, or when the message or its sender was refused.
	Hard bool
}

// ErrNoBounce says that a message is no delivery status notification about one
// of ours.
var ErrNoBounce = errors.New("mail: no bounce of ours")

// maxBounce bounds what is read of a message that came back.
const maxBounce = 1 << 20

// marked are the headers in which a mail server says to whom a message came, the
// standard one first.
var marked = []string{"To", "Delivered-To", "X-Original-To", "Envelope-To"}

// ReadBounce reads a delivery status notification (RFC 3464). Whose message it
// is says the address that it came back to: Verp made it. The error wraps
// ErrNoBounce.
func ReadBounce(r io.Reader) (Bounce, error) {
	m, err := mail.ReadMessage(io.LimitReader(r, maxBounce))
	if err != nil {
		return Bounce{}, fmt.Errorf("%w: %w", ErrNoBounce, err)
	}
	var b Bounce
	for _, name := range marked {
		if found := verp.FindStringSubmatch(strings.TrimSpace(m.Header.Get(name))); found != nil && b.Mark == "" {
			b.Mark = strings.ToLower(found[1]) // some servers write addresses in capitals
		}
	}
	if b.Mark == "" {
		return Bounce{}, fmt.Errorf("%w: it came to no address with a mark", ErrNoBounce)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		return Bounce{}, fmt.Errorf("%w: it is no multipart/report", ErrNoBounce)
	}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := parts.NextPart()
		if err != nil {
			return Bounce{}, fmt.Errorf("%w: it has no delivery status", ErrNoBounce)
		}
		if kind, _, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err == nil && kind == "message/delivery-status" {
			b.Hard = hard(part)
			return b, nil
		}
	}
}

// hard reads the groups of fields of a delivery status (RFC 3464 section 2.1):
// one about the message, then one for each recipient, and ours have one.
func hard(status io.Reader) bool {
	for groups := textproto.NewReader(bufio.NewReader(status)); ; {
		fields, err := groups.ReadMIMEHeader()
		if strings.EqualFold(fields.Get("Action"), "failed") && AboutAddress(fields.Get("Status")) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

var (
	mark = regexp.MustCompile(`^[a-z0-9]{1,32}$`)
	verp = regexp.MustCompile(`(?i)^<?[^<>@ ]*\+([a-z0-9]{1,32})@[^<>@ ]+>?$`)

	// aboutAddress are the codes of RFC 3463 that say something of an address:
	// unknown or moved, disabled, a domain that has no mail or cannot be
	// reached, and those by which some large providers mean it (5.0.0, 5.5.0).
	aboutAddress = regexp.MustCompile(`^5\.(0\.0|1\.[0-6]|1\.10|2\.[01]|4\.[147]|5\.0)\b`)
)

// AboutAddress reports whether an enhanced status code (RFC 3463) says for good
// that nobody reads at an address.
func AboutAddress(status string) bool { return aboutAddress.MatchString(strings.TrimSpace(status)) }

// Verp is the address that a message with a mark comes back to: of
// "bounces@univ.example", "bounces+k7q…@univ.example".
func Verp(address, mark string) string {
	local, domain, _ := strings.Cut(address, "@")
	return local + "+" + mark + "@" + domain
}
