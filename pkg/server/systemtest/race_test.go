//go:build race

package systemtest_test

// raced tells whether the race detector is on. The command is then built with
// it too, and everything takes ten times as long: races in memory show in few
// rounds, and those between processes are run by the numbers without it.
const (
	raced         = true
	defaultRounds = 100
	defaultResets = 60
)
