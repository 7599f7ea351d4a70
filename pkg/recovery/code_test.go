package recovery_test

import (
	"strings"
	"testing"
	"testing/quick"

	"time"

	"github.com/loge-idp/loge/pkg/account"
	"github.com/loge-idp/loge/pkg/recovery"
	"github.com/loge-idp/loge/pkg/secret"
)

const symbols = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

func aCode(attempt string, keys *secret.Keyring) string {
	return recovery.NewChallenge(attempt, recovery.Reset, account.Account{ID: "1"}, "fr", time.Time{}, recovery.Terms{}, keys, "").Code()
}

// R32: whatever single character is mistyped, and whichever two neighbours are
// exchanged, is seen.
func TestMistakesAreSeen(t *testing.T) {
	keys := secret.RandomKeyring()
	for _, attempt := range []string{"AAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBB", "CCCCCCCCCCCCCCCC"} {
		code := aCode(attempt, keys)
		if recovery.LongCode(code) != code || len(code) != 12 || strings.Trim(code, symbols) != "" {
			t.Fatalf("%q is no code", code)
		}
		for i := range code {
			for _, c := range symbols {
				if typed := code[:i] + string(c) + code[i+1:]; typed != code && recovery.LongCode(typed) != "" {
					t.Errorf("%s for %s", typed, code)
				}
			}
			if i > 0 && code[i] != code[i-1] {
				if typed := code[:i-1] + code[i:i+1] + code[i-1:i] + code[i+1:]; recovery.LongCode(typed) != "" {
					t.Errorf("%s for %s", typed, code)
				}
			}
		}
	}
}

// Any text gives a code or nothing, and a code gives itself.
func TestLongCodeOfAnything(t *testing.T) {
	check := func(text string) bool {
		code := recovery.LongCode(text)
		return code == "" || len(code) == 12 && strings.Trim(code, symbols) == "" && recovery.LongCode(code) == code
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	code := aCode("DDDDDDDDDDDDDDDD", secret.RandomKeyring())
	for _, typed := range []string{code[:4] + "–" + code[4:8] + "–" + code[8:], strings.ToLower(code), code[:4] + "\u00a0" + code[4:8] + " - " + code[8:], "\t" + code + "."} {
		if recovery.LongCode(typed) != code {
			t.Errorf("%q is not read", typed)
		}
	}
	for _, typed := range []string{"", code[:11], code + "2", "2" + code, "O" + code[1:]} {
		if recovery.LongCode(typed) != "" {
			t.Errorf("%q is read", typed)
		}
	}
}

// R71: what people type and paste.
func TestDigitsOfAnything(t *testing.T) {
	for typed, want := range map[string]string{
		"906273": "906273", " 906 273 ": "906273", "906-273": "906273", "906\u2013273": "906273", "906\u00a0273": "906273", "9.0.6.2.7.3": "906273",
		"９０６２７３": "906273", "9O6l73": "906173", "Votre code 906273 expire à 8 h 48.": "906273", "Code : 906 273, bon jusqu’à 8 h 48": "906273",
		"906273 est votre code. Il expire à 8:48. @auth.example #906273":                             "906273",
		"identifiant : 22401003, ou 450012. Tapez ce code :906273Le lien est valable jusqu’à 9 h 38": "906273",
		"01 99 00 12 34 pour 906273": "906273",
		"":                           "", "Moodle": "", "12345": "", "VE46-4GE2-D6Y2": "", "1234567": "123456",
	} {
		if got := recovery.Digits(typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
