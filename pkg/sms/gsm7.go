package sms

import (
	"errors"
	"fmt"
	"strings"
)

// MaxSeptets is the length of one message in the GSM 7-bit alphabet (3GPP TS
// 23.038): a longer one is cut in parts that arrive, and cost, separately.
const MaxSeptets = 160

const (
	// gsm7 is the basic table of 3GPP TS 23.038 section 6.2.1, and extended
	// what takes an escape before it (section 6.2.1.1). The form feed is left
	// out: phones do not show it.
	gsm7     = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extended = "^{}\\[~]|€"
)

// Length is how many septets a text takes. Any other character would turn the
// whole message into UCS-2, which holds 70: ê, ô, ç, «, » and ’ among them
// (requirement R74). The error names that character, or says that the text is
// empty or too long; it never quotes the text.
func Length(text string) (septets int, err error) {
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsm7, r):
			septets++
		case strings.ContainsRune(extended, r):
			septets += 2
		default:
			return 0, fmt.Errorf("the character %q (%U) is not of the GSM 7-bit alphabet", r, r)
		}
	}
	switch {
	case septets == 0:
		return 0, errors.New("the text is empty")
	case septets > MaxSeptets:
		return septets, fmt.Errorf("the text takes %d septets, and one message holds %d", septets, MaxSeptets)
	}
	return septets, nil
}
