//go:build !race

package systemtest_test

const (
	raced         = false
	defaultRounds = 1000
	defaultResets = 300
)
