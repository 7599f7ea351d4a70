package password

import (
	"math"
	"testing"
)

// The estimate of the best known example is that of zxcvbn's author (45.2
// bits), and each kind of pattern is worth less than what it is made of.
func TestEstimate(t *testing.T) {
	for text, want := range map[string]float64{
		"correcthorsebatterystaple": 45.21,
		"password":                  0,
		"abcdefghijklmnop":          math.Log2(36) + math.Log2(16),
		"mlkjihgfed":                math.Log2(36) + math.Log2(10),
		"xxxxxxxxxx":                math.Log2(26) + math.Log2(10),
		"14/03/2005":                math.Log2(31 * 12 * 119),
		"14032005":                  math.Log2(31 * 12 * 119),
		"q}w":                       3 * math.Log2(26+33),
		"":                          0,
	} {
		if got := bits(text); math.Abs(got-want) > 0.01 {
			t.Errorf("%q is worth %.2f bits, want %.2f", text, got, want)
		}
	}
	if a, b := bits("motdepasse"), bits("m0td3p@sse"); b > a+0.01 {
		t.Errorf("look-alike signs are worth %.1f bits more", b-a)
	}
	if a, b := bits("sarbacane"), bits("sarbacane olive"); b <= a {
		t.Error("a second word is worth nothing")
	}
}
