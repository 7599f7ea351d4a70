//go:build !race

package systemtest_test

const raced = false
