package render

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Colour is an sRGB colour, written #rrggbb.
type Colour struct{ R, G, B uint8 }

// minContrast is what text needs against its ground (WCAG 2.2, 1.4.3).
const minContrast = 4.5

// ParseColour reads #rrggbb.
func ParseColour(text string) (Colour, error) {
	digits, ok := strings.CutPrefix(text, "#")
	rgb, err := hex.DecodeString(digits)
	if !ok || err != nil || len(rgb) != 3 {
		return Colour{}, errors.New(`a colour is written "#1f5a52"`)
	}
	return Colour{rgb[0], rgb[1], rgb[2]}, nil
}

func (c Colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// luminance is the relative luminance of WCAG 2.2.
func (c Colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// Contrast is the ratio of two colours, from 1 to 21 (WCAG 2.2).
func Contrast(a, b Colour) float64 {
	high, low := a.luminance(), b.luminance()
	if high < low {
		high, low = low, high
	}
	return (high + 0.05) / (low + 0.05)
}

// Readable is the colour nearest to c that is readable as text on all the
// grounds: c itself, or c mixed with as little black (on light grounds) or
// white (on dark ones) as needed.
func Readable(c Colour, grounds ...Colour) Colour {
	towards := Colour{}
	if grounds[0].luminance() < 0.18 {
		towards = Colour{255, 255, 255}
	}
	for step := 0; ; step++ {
		mixed := mix(c, towards, float64(step)/255)
		if step == 255 || readable(mixed, grounds) {
			return mixed
		}
	}
}

func readable(c Colour, grounds []Colour) bool {
	for _, ground := range grounds {
		if Contrast(c, ground) < minContrast {
			return false
		}
	}
	return true
}

func mix(a, b Colour, share float64) Colour {
	channel := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*share)) }
	return Colour{channel(a.R, b.R), channel(a.G, b.G), channel(a.B, b.B)}
}
