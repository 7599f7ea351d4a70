package mailtest

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Wire is one message as it came over the wire.
type Wire struct {
	From, To string // of the envelope
	Login    string // of the authentication, or empty
	TLS      bool
	Header   netmail.Header
	Text     string // the part text/plain, decoded
	HTML     string // the part text/html, decoded, or empty
}

// Server is a mail server on a free loopback port, for as long as a test runs.
type Server struct {
	Address string // host:port

	options Options
	mu      sync.Mutex
	refusal Refusal
	silent  func() // told of each connection that is not answered
	got     []Wire
}

// Options is what a Server may want; the zero Options take any message in the
// clear.
type Options struct {
	TLS             *tls.Config // offers STARTTLS
	Implicit        bool        // TLS from the first byte instead
	Login, Password string      // demands them
	HangsUp         bool        // breaks the connection as soon as it took a message
}

// NewServer starts a Server; the test ends it.
func NewServer(t *testing.T, options Options) *Server {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Address: port.Addr().String(), options: options}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c}, nil
	}))
	server.Domain, server.AllowInsecureAuth, server.EnableSMTPUTF8 = "localhost", true, true
	server.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what is tested
	if !options.Implicit {
		server.TLSConfig = options.TLS
	}
	front := net.Listener(listener{port, s})
	if options.Implicit {
		front = tls.NewListener(front, options.TLS)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(front) // ends by Close
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = port.Close()
		<-done
	})
	return s
}

// Refuse makes the server refuse every recipient from now on.
func (s *Server) Refuse(refusal Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = refusal
}

// Silence makes the server take connections from now on without a word;
// reached is told of each.
func (s *Server) Silence(reached func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = reached
}

// Messages are those that the server took, the oldest first.
func (s *Server) Messages() []Wire {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Wire(nil), s.got...)
}

// Received is Messages for a Harness.
func (s *Server) Received() []Received {
	var out []Received
	for _, w := range s.Messages() {
		subject, err := new(mime.WordDecoder).DecodeHeader(w.Header.Get("Subject"))
		if err != nil {
			subject = "undecodable: " + err.Error()
		}
		out = append(out, Received{ID: w.Header.Get("Message-ID"), To: w.To, Subject: subject, Text: w.Text})
	}
	return out
}

// listener hands connections to the server, or keeps them without a word.
type listener struct {
	net.Listener
	server *Server
}

func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.server.mu.Lock()
		silent := l.server.silent
		l.server.mu.Unlock()
		if silent == nil {
			return conn, nil
		}
		defer conn.Close()
		silent()
	}
}

type session struct {
	server *Server
	conn   *smtp.Conn
	login  string
	wire   Wire
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, login, password string) error {
		if login != s.server.options.Login || password != s.server.options.Password {
			return smtp.ErrAuthFailed
		}
		s.login = login
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.server.options.Login != "" && s.login == "" {
		return smtp.ErrAuthRequired
	}
	_, encrypted := s.conn.TLSConnectionState()
	s.wire = Wire{From: from, Login: s.login, TLS: encrypted}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	refusal := s.server.refusal
	s.server.mu.Unlock()
	switch {
	case refusal == Later:
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "<" + to + ">: try again later"}
	case refusal == Never:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<" + to + ">: no such person"}
	case refusal == Unwanted:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not from there"}
	case s.wire.To != "":
		return errors.New("a second recipient")
	}
	s.wire.To = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	s.wire.Header = message.Header
	if err := s.wire.part(message.Header, message.Body); err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.got = append(s.server.got, s.wire)
	return nil
}

// Reset ends a message, after its answer has left.
func (s *session) Reset() {
	if s.server.options.HangsUp && s.wire.Header != nil {
		_ = s.conn.Conn().Close()
	}
	s.wire = Wire{}
}

func (s *session) Logout() error { return nil }

// part reads a body, or those within it.
func (w *Wire) part(header interface{ Get(string) string }, body io.Reader) error {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := w.part(part.Header, part); err != nil {
				return err
			}
		}
	}
	if header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(body); err != nil {
		return err
	}
	if kind == "text/html" {
		w.HTML = text.String()
	} else {
		w.Text = text.String()
	}
	return nil
}
