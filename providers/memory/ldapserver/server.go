// Package ldapserver is a small LDAP server inside a Go program: the
// directory of the demo and of the tests.
//
// It speaks enough of RFC 4511 for a login service and for the programs of
// OpenLDAP: simple bind, search with every kind of filter and by pages (RFC
// 2696), compare, modify, add, delete, rename, Password Modify (RFC 3062) and Who
// am I (RFC 4532). It folds values as OpenLDAP does. The accounts it is told of
// read and change entries; people read their own and change their password; no
// one reads a password. It keeps everything in memory, has no TLS and no password
// policy: it is not for production.
package ldapserver

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// maxConnections is how many are served at once; more wait.
const maxConnections = 256

// Server is a directory. Make one with New.
type Server struct {
	tree    *tree
	readers map[string]bool // by DN key; a writer is a reader too
	writers map[string]bool

	slots  chan struct{}
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func init() {
	ber.MaxPacketLengthBytes = 4 << 20 // 2 GiB by default
}

// New makes an empty directory that compares values by a schema. Readers and
// writers are the DNs of accounts that may search, and search and change.
func New(schema *Schema, readers, writers []string) *Server {
	s := &Server{
		tree:    newTree(schema),
		readers: map[string]bool{},
		writers: map[string]bool{},
		slots:   make(chan struct{}, maxConnections),
		open:    map[net.Conn]bool{},
	}
	for _, dn := range readers {
		key, _ := schema.nameKey(dn)
		s.readers[key] = true
	}
	for _, dn := range writers {
		key, _ := schema.nameKey(dn)
		s.readers[key], s.writers[key] = true, true
	}
	return s
}

// Load adds the entries of an LDIF file. Passwords and operational attributes
// are taken as they stand.
func (s *Server) Load(ldif []byte) error {
	records, err := parseLDIF(ldif)
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := s.tree.add(r); err != nil {
			return err
		}
	}
	return nil
}

// Dial connects from within the process: no port is opened.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) {
	client, server := pipe()
	if err := s.admit(ctx, server); err != nil {
		return nil, err
	}
	go s.serve(server)
	return client, nil
}

// Serve answers on a listener, for ldapsearch and the like, until Close.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if err := s.admit(ctx, c); err != nil {
			c.Close()
			return err
		}
		go s.serve(c)
	}
}

// Close ends all connections. A listener given to Serve is the caller's to
// close.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	return nil
}

// admit waits for a place and notes the connection.
func (s *Server) admit(ctx context.Context, c net.Conn) error {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		<-s.slots
		return net.ErrClosed
	}
	s.open[c] = true
	return nil
}

// session is one connection and who is bound on it.
type session struct {
	server   *Server
	identity string // the DN key; empty is anonymous
	dn       string
}

// serve answers the requests of a connection one after the other, which RFC
// 4511 section 3.1 allows and which makes a bind what it says.
func (s *Server) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.open, c)
		s.mu.Unlock()
		<-s.slots
	}()
	in := bufio.NewReader(c)
	session := &session{server: s}
	for {
		packet, err := ber.ReadPacket(in)
		if err != nil {
			return
		}
		answers, err := session.answer(packet)
		if err != nil {
			return
		}
		if _, err := c.Write(answers); err != nil {
			return
		}
	}
}

// errDone ends a connection: an unbind, or something that is not LDAP.
var errDone = errors.New("connection ends")

// answer does what one message asks and returns the messages to send.
func (s *session) answer(message *ber.Packet) (out []byte, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case malformed:
			err = errDone
		default:
			panic(p)
		}
	}()
	id, request := number(part(message, 0)), part(message, 1)
	if len(message.Children) > 2 && demanding(request.Tag, part(message, 2)) {
		if tag, answered := responses[request.Tag]; answered {
			return result{code: goldap.LDAPResultUnavailableCriticalExtension}.encode(id, tag), nil
		}
	}
	switch request.Tag {
	case goldap.ApplicationUnbindRequest:
		return nil, errDone
	case goldap.ApplicationAbandonRequest:
		return nil, nil // what it names was answered already
	case goldap.ApplicationSearchRequest:
		return s.search(id, request, pageOf(message)), nil
	}
	verbs := map[ber.Tag]func(*ber.Packet) result{
		goldap.ApplicationBindRequest:     s.bind,
		goldap.ApplicationModifyRequest:   s.modify,
		goldap.ApplicationAddRequest:      s.add,
		goldap.ApplicationDelRequest:      s.del,
		goldap.ApplicationModifyDNRequest: s.rename,
		goldap.ApplicationExtendedRequest: s.extended,
		goldap.ApplicationCompareRequest:  s.compare,
	}
	verb, ok := verbs[request.Tag]
	if !ok {
		return nil, errDone
	}
	return verb(request).encode(id, responses[request.Tag]), nil
}

// may reports whether the one who is bound is on a list.
func (s *session) may(list map[string]bool) bool { return s.identity != "" && list[s.identity] }

// reads reports whether the one who is bound may look at an entry, and at what
// is below it: at any, or at their own, which has nothing below.
func (s *session) reads(key string) bool {
	return s.may(s.server.readers) || s.identity != "" && key == s.identity
}

// bind checks a password (RFC 4511 section 4.2). Whatever comes out, the
// connection is first anonymous.
func (s *session) bind(request *ber.Packet) result {
	s.identity, s.dn = "", ""
	name, credentials := text(part(request, 1)), part(request, 2)
	if credentials.Tag != 0 {
		return result{code: goldap.LDAPResultAuthMethodNotSupported, text: "simple bind only"}
	}
	password := text(credentials)
	if name == "" && password == "" {
		return result{}
	}
	if password == "" { // RFC 4513 section 5.1.2
		return result{code: goldap.LDAPResultUnwillingToPerform, text: "unauthenticated bind (DN with no password) disallowed"}
	}
	tree := s.server.tree
	key, ok := tree.schema.nameKey(name)
	if !ok {
		return result{code: goldap.LDAPResultInvalidDNSyntax}
	}
	found := tree.get(key)
	if found == nil || !found.passwordIs(password) {
		return result{code: goldap.LDAPResultInvalidCredentials}
	}
	s.identity, s.dn = key, found.dn
	return result{}
}

// search answers with the entries and the end (RFC 4511 section 4.5).
func (s *session) search(id int64, request *ber.Packet, page *page) []byte {
	base, scope, limit := text(part(request, 0)), number(part(request, 1)), number(part(request, 3))
	typesOnly, filter := number(part(request, 5)) != 0, part(request, 6)
	var wanted []string
	for _, a := range part(request, 7).Children {
		wanted = append(wanted, text(a))
	}
	end := func(r result) []byte { return r.encode(id, goldap.ApplicationSearchResultDone) }
	done := func(code uint16) []byte { return end(result{code: code}) }
	if base == "" && scope == goldap.ScopeBaseObject {
		return append(s.server.tree.rootDSE().encode(id, wanted, typesOnly), done(0)...)
	}
	tree := s.server.tree
	key, ok := tree.schema.nameKey(base)
	if !s.reads(key) {
		return done(goldap.LDAPResultInsufficientAccessRights)
	}
	if !ok {
		return done(goldap.LDAPResultInvalidDNSyntax)
	}
	if tree.get(key) == nil {
		return done(goldap.LDAPResultNoSuchObject)
	}
	var out []byte
	var sent, last int64
	for _, o := range tree.within(key, scope) {
		if page != nil && o.number <= page.after || tree.schema.evaluate(filter, o) != yes {
			continue
		}
		switch {
		case limit > 0 && sent == limit:
			return append(out, done(goldap.LDAPResultSizeLimitExceeded)...)
		case page != nil && sent == page.size: // there is one more
			return append(out, end(result{control: page.reply(last)})...)
		}
		sent, last = sent+1, o.number
		out = append(out, o.encode(id, wanted, typesOnly)...)
	}
	if page != nil {
		return append(out, end(result{control: page.reply(0)})...)
	}
	return append(out, done(0)...)
}

// compare tells whether an entry has a value (RFC 4511 section 4.10).
func (s *session) compare(request *ber.Packet) result {
	tree, assertion := s.server.tree, part(request, 1)
	key, ok := tree.schema.nameKey(text(part(request, 0)))
	name, value := text(part(assertion, 0)), text(part(assertion, 1))
	if !s.reads(key) {
		return forbidden
	}
	if !ok {
		return result{code: goldap.LDAPResultInvalidDNSyntax}
	}
	o := tree.get(key)
	switch {
	case o == nil:
		return result{code: goldap.LDAPResultNoSuchObject}
	case o.values(name) == nil:
		return result{code: goldap.LDAPResultNoSuchAttribute, text: name}
	}
	switch tree.schema.equals(name, o.values(name), value) {
	case yes:
		return result{code: goldap.LDAPResultCompareTrue}
	case no:
		return result{code: goldap.LDAPResultCompareFalse}
	}
	return result{code: goldap.LDAPResultInvalidAttributeSyntax, text: name}
}
