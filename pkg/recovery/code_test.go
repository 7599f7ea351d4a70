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
