// Package systemtest holds the tests of the whole product: the command loge in
// two processes, with a real slapd, a real Redis and a mail server, seen from
// outside by browsers and applications. It exports nothing.
package systemtest
