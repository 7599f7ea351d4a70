package plugin

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a length of time in a configuration, written as Go writes it:
// "90s", "10m", "24h".
type Duration time.Duration

// UnmarshalJSON reads "10m". A bare number is refused: its unit would be a
// guess.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a duration is written with its unit, like \"10m\" or \"24h\"")
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return fmt.Errorf("a duration is written with its unit, like \"10m\" or \"24h\"")
	}
	*d = Duration(parsed)
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// Or returns the duration, or the default when unset.
func (d Duration) Or(unset time.Duration) time.Duration {
	if d == 0 {
		return unset
	}
	return time.Duration(d)
}
