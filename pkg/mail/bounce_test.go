package mail_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/loge-idp/loge/pkg/mail"
)

// report is what Postfix sends back, to an address and with a status.
func report(to, action, status string) string {
	return strings.ReplaceAll(fmt.Sprintf(`Return-Path: <>
From: MAILER-DAEMON@mx.univ.example (Mail Delivery System)
To: %s
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
	boundary="8E0F4C0B.1"

--8E0F4C0B.1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<elise@perso.example>: user unknown. Action: failed, Status: 5.1.1

--8E0F4C0B.1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.univ.example
Arrival-Date: Tue, 15 Sep 2026 10:00:00 +0200 (CEST)

Final-Recipient: rfc822; elise@perso.example
Action: %s
Status: %s
Diagnostic-Code: smtp; 550 user unknown

--8E0F4C0B.1
Content-Type: text/rfc822-headers

Subject: Votre lien

--8E0F4C0B.1--
`, to, action, status), "\n", "\r\n")
}

// R23: what comes back says which address it was, and whether for good.
func TestReadBounce(t *testing.T) {
	const mark = "k7qm2xdb9rthk7qm2xdb9r"
	back := mail.Verp("rebonds@univ.example", mark)
	for name, c := range map[string]struct {
		message string
		want    mail.Bounce // without a mark: ErrNoBounce
	}{
		"unknown":             {report("<"+back+">", "failed", "5.1.1"), mail.Bounce{Mark: mark, Hard: true}},
		"bare, in capitals":   {report(strings.ToUpper(back), "failed", "5.1.10 (no mail there)"), mail.Bounce{Mark: mark, Hard: true}},
		"a provider's own":    {report(back, "Failed", "5.5.0"), mail.Bounce{Mark: mark, Hard: true}},
		"gave up":             {report(back, "failed", "5.4.7"), mail.Bounce{Mark: mark, Hard: true}},
		"full":                {report(back, "failed", "5.2.2"), mail.Bounce{Mark: mark}},
		"the content":         {report(back, "failed", "5.7.1"), mail.Bounce{Mark: mark}},
		"the sender":          {report(back, "failed", "5.1.8"), mail.Bounce{Mark: mark}},
		"waits":               {report(back, "delayed", "4.4.1"), mail.Bounce{Mark: mark}},
		"arrived":             {report(back, "delivered", "2.1.5"), mail.Bounce{Mark: mark}},
		"to another header":   {"Delivered-To: " + back + "\r\n" + report("rebonds@univ.example", "failed", "5.1.1"), mail.Bounce{Mark: mark, Hard: true}},
		"without a mark":      {report("rebonds@univ.example", "failed", "5.1.1"), mail.Bounce{}},
		"somebody's text":     {"To: " + back + "\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n", mail.Bounce{}},
		"cut off":             {report(back, "failed", "5.1.1")[:500], mail.Bounce{}},
		"not a message":       {"\x00\x01", mail.Bounce{}},
		"no boundary":         {"To: " + back + "\r\nContent-Type: multipart/report\r\n\r\n--\r\n", mail.Bounce{}},
		"more than one reads": {report(back, "failed", "5.2.2") + strings.Repeat("x", 2<<20), mail.Bounce{Mark: mark}},
	} {
		got, err := mail.ReadBounce(strings.NewReader(c.message))
		if errors.Is(err, mail.ErrNoBounce) != (c.want.Mark == "") || err == nil && got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}
