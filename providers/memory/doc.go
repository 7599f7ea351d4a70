// Package memory holds the embedded parts for the demo and for tests: a Redis
// and an LDAP directory that live in the process. Nothing of it listens on a
// port, and nothing outlives the process.
package memory
