//go:build race

package systemtest_test

// raced tells whether the race detector is on. The command is then built with
// it too.
const raced = true
