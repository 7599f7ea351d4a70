package secret_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/loge-idp/loge/pkg/secret"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func ring(t *testing.T, fill byte) *secret.Keyring {
	t.Helper()
	keys, err := secret.NewKeyring(bytes.Repeat([]byte{fill}, secret.MinMaster))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestMasterKey(t *testing.T) {
	for _, n := range []int{0, 16, secret.MinMaster - 1} {
		if _, err := secret.NewKeyring(make([]byte, n)); err == nil {
			t.Errorf("a master key of %d bytes was taken", n)
		}
	}
	master := bytes.Repeat([]byte{7}, secret.MinMaster)
	keys, err := secret.NewKeyring(master)
	if err != nil {
		t.Fatal(err)
	}
	clear(master) // the caller may wipe it
	if keys.Deriver("use").Text(20, "x") != ring(t, 7).Deriver("use").Text(20, "x") {
		t.Error("the keyring did not keep a copy of its own")
	}
	if _, err := secret.RandomKeyring().Box("a").Open(secret.RandomKeyring().Box("a").Seal(nil, ""), ""); !errors.Is(err, secret.ErrSeal) {
		t.Error("two random keyrings are one")
	}
}

func TestBox(t *testing.T) {
	keys := ring(t, 1)
	box := keys.Box("use")
	for _, plain := range []string{"", "a", "déjà vu", strings.Repeat("x", 10_000)} {
		sealed := box.Seal([]byte(plain), "bound")
		if strings.Trim(sealed, alphabet+"-_") != "" {
			t.Errorf("not base64url: %s", sealed)
		}
		// A replica with the same master key opens it.
		if got, err := ring(t, 1).Box("use").Open(sealed, "bound"); err != nil || string(got) != plain {
			t.Errorf("%d bytes came back as %d, %v", len(plain), len(got), err)
		}
		for name, open := range map[string]func() ([]byte, error){
			"bound to another value": func() ([]byte, error) { return box.Open(sealed, "other") },
			"bound to nothing":       func() ([]byte, error) { return box.Open(sealed, "") },
			"for another use":        func() ([]byte, error) { return keys.Box("other").Open(sealed, "bound") },
			"under another key":      func() ([]byte, error) { return ring(t, 2).Box("use").Open(sealed, "bound") },
		} {
			if got, err := open(); !errors.Is(err, secret.ErrSeal) || got != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
	if once, again := box.Seal([]byte("same"), ""), box.Seal([]byte("same"), ""); once == again {
		t.Error("the same value was sealed the same twice")
	}
}

// R-OAUTH-36: of ten thousand mutations of a sealed value, none opens; a value
// has one spelling.
func TestBoxOpensNoMutation(t *testing.T) {
	box := ring(t, 1).Box("use")
	random := rand.New(rand.NewPCG(1, 2))
	letters := alphabet + "-_"
	tried := 0
	for length := 0; tried < 10_000; length = (length + 1) % 40 {
		sealed := box.Seal(make([]byte, length), "b")
		at := random.IntN(len(sealed))
		last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", sealed[len(sealed)-1])
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(raw)
		flipped[random.IntN(len(raw))] ^= 1 << random.IntN(8)
		for name, mutation := range map[string]string{
			"cut":            sealed[:at],
			"cut in front":   sealed[at+1:],
			"longer":         sealed + string(letters[random.IntN(64)]),
			"longer by zero": sealed + "AAAA",
			"doubled":        sealed + sealed,
			"one letter":     sealed[:at] + string(letters[random.IntN(64)]) + sealed[at+1:],
			"one bit":        base64.RawURLEncoding.EncodeToString(flipped),
			"low bits":       sealed[:len(sealed)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last^1]),
			"padded":         sealed + "=",
			"standard":       base64.StdEncoding.EncodeToString(raw),
			"space":          sealed[:at] + " " + sealed[at:],
			"line break":     sealed[:at] + "\n" + sealed[at:],
			"carriage":       sealed + "\r\n",
			"nul":            sealed + "\x00",
			"other case":     strings.ToUpper(sealed),
		} {
			if mutation == sealed {
				continue // the letter that was there before
			}
			tried++
			if _, err := box.Open(mutation, "b"); !errors.Is(err, secret.ErrSeal) {
				t.Fatalf("%s: %q opened as %q, %v", name, mutation, sealed, err)
			}
		}
	}
}

func TestBoxForManyAtOnce(t *testing.T) {
	keys := ring(t, 1)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := keys.Box("use").Open(keys.Box("use").Seal([]byte("x"), "b"), "b"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestDeriver(t *testing.T) {
	d := ring(t, 1).Deriver("use")
	for n := range 41 {
		text, digits := d.Text(n, "a", "b"), d.Digits(n, "a", "b")
		if len(text) != n || strings.Trim(text, alphabet) != "" {
			t.Errorf("%d characters: %q", n, text)
		}
		if len(digits) != n || strings.Trim(digits, "0123456789") != "" {
			t.Errorf("%d digits: %q", n, digits)
		}
	}
	if d.Text(40, "a", "b") != ring(t, 1).Deriver("use").Text(40, "a", "b") {
		t.Error("a replica derives something else")
	}
	// No two ways of giving parts are the same, nor two uses or keys.
	seen := map[string]string{}
	for name, text := range map[string]string{
		"none": d.Text(40), "an empty one": d.Text(40, ""), "two empty ones": d.Text(40, "", ""),
		"ab c": d.Text(40, "ab", "c"), "a bc": d.Text(40, "a", "bc"), "abc": d.Text(40, "abc"), "c ab": d.Text(40, "c", "ab"),
		"a prefix": d.Text(40, "2:ab1:c"), "another use": ring(t, 1).Deriver("other").Text(40, "ab", "c"),
		"another key": ring(t, 2).Deriver("use").Text(40, "ab", "c"),
	} {
		if other, ok := seen[text]; ok {
			t.Errorf("%q and %q are the same", name, other)
		}
		seen[text] = name
	}
}

// uniform checks counts by chi-square, with a bound that one run in a million
// exceeds at the most: the degrees of freedom are below 62, the mean is that
// number and the deviation the root of twice it.
func uniform(t *testing.T, what string, counts map[byte]int, letters string) {
	t.Helper()
	total := 0
	for _, n := range counts {
		total += n
	}
	expected := float64(total) / float64(len(letters))
	chi := 0.0
	for i := range len(letters) {
		off := float64(counts[letters[i]]) - expected
		chi += off * off / expected
	}
	if chi > 140 {
		t.Errorf("%s: chi-square %.0f over %d letters", what, chi, len(letters))
	}
}

func TestDigitsAreUniform(t *testing.T) {
	d := ring(t, 1).Deriver("use")
	counts, first := map[byte]int{}, map[byte]int{}
	for i := range 20_000 {
		code := d.Digits(6, string(rune('a'+i%26)), strings.Repeat("x", i/26))
		first[code[0]]++
		for j := range code {
			counts[code[j]]++
		}
	}
	uniform(t, "all digits", counts, alphabet[:10])
	uniform(t, "first digits", first, alphabet[:10])
}

func TestRandom(t *testing.T) {
	for _, n := range []int{0, 1, 22, 1000} {
		if text := secret.Random(n); len(text) != n || strings.Trim(text, alphabet) != "" {
			t.Errorf("%d characters: %q", n, text)
		}
	}
	const n = 100_000
	seen := make(map[string]bool, n)
	counts, last := map[byte]int{}, map[byte]int{}
	for range n {
		text := secret.Random(22)
		if seen[text] {
			t.Fatal("the same twice")
		}
		seen[text] = true
		last[text[21]]++
		for i := range text {
			counts[text[i]]++
		}
	}
	uniform(t, "all characters", counts, alphabet)
	uniform(t, "last characters", last, alphabet)
}

func TestHash(t *testing.T) {
	// FIPS 180-4's example of one block, in base64url.
	if got := secret.Hash("abc"); got != "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" {
		t.Errorf("%s", got)
	}
}
